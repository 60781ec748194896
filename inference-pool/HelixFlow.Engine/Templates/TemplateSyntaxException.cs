namespace HelixFlow.Engine.Templates;

/// <summary>The text of a chat template is not valid Jinja, or uses a part of Jinja that chat templates never need.</summary>
public sealed class TemplateSyntaxException : Exception
{
    public TemplateSyntaxException(string reason, int line, int column)
        : base($"line {line}, column {column}: {reason}")
    {
        Line = line;
        Column = column;
    }

    /// <summary>Counted from 1.</summary>
    public int Line { get; }

    /// <summary>Counted from 1, in UTF-16 units.</summary>
    public int Column { get; }
}
