namespace HelixFlow.Engine.Templates;

/// <summary>A chat template could not be rendered with the values it was given.</summary>
public sealed class TemplateRenderException : Exception
{
    public TemplateRenderException(string reason, int line, bool isRaisedByTemplate = false, bool isLimit = false)
        : base(isRaisedByTemplate ? reason : $"line {line}: {reason}")
    {
        Line = line;
        IsRaisedByTemplate = isRaisedByTemplate;
        IsLimit = isLimit;
    }

    /// <summary>The template line that was being evaluated, counted from 1.</summary>
    public int Line { get; }

    /// <summary>
    /// The template itself refused the conversation with <c>raise_exception</c>: <see cref="Exception.Message"/> is its own text
    /// and is meant for the client.
    /// </summary>
    public bool IsRaisedByTemplate { get; }

    /// <summary>One of <see cref="TemplateLimits"/> was reached: the template or its input is hostile, or far too large.</summary>
    public bool IsLimit { get; }
}
