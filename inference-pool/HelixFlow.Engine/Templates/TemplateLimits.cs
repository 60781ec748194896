namespace HelixFlow.Engine.Templates;

/// <summary>What one rendering may use. A template comes with a model file and is not trusted.</summary>
public sealed record TemplateLimits
{
    public static TemplateLimits Default { get; } = new();

    /// <summary>Longest output, and longest single string on the way, in UTF-16 units. 16 Mi is some four million tokens.</summary>
    public int MaxCharacters { get; init; } = 16 * 1024 * 1024;

    /// <summary>
    /// Evaluation steps: one per expression, statement, loop pass, or sixteen characters or one element of a value made on the way.
    /// Eight million take about a second; a long conversation needs some thousands.
    /// </summary>
    public long MaxSteps { get; init; } = 8_000_000;

    /// <summary>Longest result of <c>range</c>; the value of Jinja's own sandbox.</summary>
    public int MaxRange { get; init; } = 100_000;

    /// <summary>How deep macros may call each other, and how deep the values they build may nest.</summary>
    public int MaxDepth { get; init; } = 200;
}
