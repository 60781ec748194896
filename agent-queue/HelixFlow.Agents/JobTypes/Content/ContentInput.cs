using System.Text.Json.Serialization;
using HelixFlow.Agents.JobTypes.Passages;

namespace HelixFlow.Agents.JobTypes.Content;

/// <summary>What is to be written. Its properties have setters because source-generated readers forget the defaults of others.</summary>
internal sealed record ContentInput
{
    public required string Topic { get; set; }

    public string Template { get; set; } = "article";

    public string? Title { get; set; }

    public IReadOnlyList<OutlineSection>? Outline { get; set; }

    public int? Sections { get; set; }

    public int? WordsPerSection { get; set; }

    public string? Tone { get; set; }

    public string? Audience { get; set; }

    public string? Language { get; set; }

    public IReadOnlyList<string> Keywords { get; set; } = [];

    public IReadOnlyList<SourceDocument> Sources { get; set; } = [];

    public string Mode { get; set; } = "parallel";

    public string Format { get; set; } = "markdown";

    public string? Model { get; set; }
}

/// <summary>What is to be written, before it is.</summary>
internal sealed record Outline(string Title, IReadOnlyList<OutlineSection> Sections);

/// <summary>A section as it is planned.</summary>
internal sealed record OutlineSection
{
    public required string Title { get; set; }

    /// <summary>What it is to say.</summary>
    public string? Brief { get; set; }

    /// <summary>About how many words it is to have; null for as many as the others.</summary>
    public int? Words { get; set; }
}

/// <summary>A question to a model, with material as far as there is room for it.</summary>
/// <param name="Model">The model, and what fits into it.</param>
/// <param name="Ask">The question without the material.</param>
/// <param name="Passages">Passages that may help, best first.</param>
/// <param name="MaxTokens">Most tokens of the answer; fewer where the context is small.</param>
/// <param name="Schema">JSON Schema of the answer; null for a text that cites the passages.</param>
internal sealed record ContentQuestion(ModelLimits Model, string Ask, IReadOnlyList<Passage> Passages, int MaxTokens, string? Schema);

/// <summary>What the model wrote.</summary>
/// <param name="Answer">Its words and what they cost.</param>
/// <param name="Shown">The numbers of the passages that it was shown.</param>
internal sealed record ContentAnswer(ModelAnswer Answer, IReadOnlyList<int> Shown);

/// <summary>The result.</summary>
internal sealed record ContentOutput(
    string Title, string Content, Outline Outline, IReadOnlyList<ContentSection> Sections, int Words, IReadOnlyList<ContentCitation> Citations,
    IReadOnlyList<string> MissingKeywords, string Model, ContentUsage Usage);

/// <param name="Title">Its heading.</param>
/// <param name="Text">What it says, without its heading.</param>
/// <param name="Words">How many words that is.</param>
/// <param name="IsCut">Whether the model had more to say than there was room for; it then ends after its last whole sentence.</param>
internal sealed record ContentSection(string Title, string Text, int Words, bool IsCut);

/// <param name="Number">The number in brackets.</param>
/// <param name="Source">The document's name, or its number among the sources.</param>
/// <param name="Start">Where the passage begins in it, in UTF-16 code units.</param>
/// <param name="End">The place after its end.</param>
/// <param name="Quote">The passage.</param>
internal sealed record ContentCitation(int Number, string Source, int Start, int End, string Quote);

/// <param name="Calls">Questions to the model.</param>
/// <param name="PromptTokens">Their tokens.</param>
/// <param name="CompletionTokens">The answers' tokens.</param>
internal sealed record ContentUsage(int Calls, int PromptTokens, int CompletionTokens);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ContentInput))]
[JsonSerializable(typeof(Outline))]
[JsonSerializable(typeof(ContentQuestion))]
[JsonSerializable(typeof(ContentAnswer))]
[JsonSerializable(typeof(ContentOutput))]
internal sealed partial class ContentJson : JsonSerializerContext;
