namespace HelixFlow.Engine.Grammar;

/// <summary>White space between the tokens of constrained JSON.</summary>
public enum JsonWhiteSpace
{
    /// <summary>A blank after commas, colons and brackets, or a line break with indentation in place of it; what models are used to write. The default.</summary>
    Indented,

    /// <summary>A blank after commas, colons and brackets or none; no line breaks.</summary>
    Spaced,

    /// <summary>None.</summary>
    Compact,
}
