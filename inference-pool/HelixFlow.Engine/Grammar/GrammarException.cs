namespace HelixFlow.Engine.Grammar;

/// <summary>A schema, expression or grammar that cannot be used, with what is wrong and where, in words for the caller.</summary>
public class GrammarException(string message) : Exception(message)
{
    /// <summary>The part at fault, as <see cref="TextPart.Named"/> calls it; null when the constraint as a whole is.</summary>
    public string? Subject { get; internal set; }
}

/// <summary>A grammar that would take too much time or memory.</summary>
public sealed class GrammarTooComplexException(string message) : GrammarException(message);
