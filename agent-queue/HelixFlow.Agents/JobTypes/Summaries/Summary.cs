using System.Text.Json;
using System.Text.Json.Serialization;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.JobTypes.Summaries;

/// <summary>What is to be summarised, and how. Its properties have setters because source-generated readers forget the defaults of others.</summary>
internal sealed record SummaryInput
{
    /// <summary>The text, or a file by its hash.</summary>
    public JsonElement? Text { get; set; }

    public string? Url { get; set; }

    public string Format { get; set; } = "text";

    public string? Model { get; set; }

    public string Style { get; set; } = "paragraph";

    public string Length { get; set; } = "medium";

    public string? Focus { get; set; }
}

/// <summary>What a plan is made for.</summary>
/// <param name="Input">How it is to be summarised; without the text.</param>
/// <param name="Text">What is to be summarised, wherever it came from.</param>
internal sealed record PlanStep(SummaryInput Input, string Text);

/// <summary>How a text is taken apart for a model.</summary>
/// <param name="Model">The model.</param>
/// <param name="PartTokens">Most tokens of a part's summary, and of a summary of summaries that is not the last.</param>
/// <param name="FinalTokens">Most tokens of the whole summary.</param>
/// <param name="RoomTokens">Most tokens of a question to the model.</param>
/// <param name="Parts">The parts of the text that the model reads, one at a time.</param>
internal sealed record SummaryPlan(string Model, int PartTokens, int FinalTokens, int RoomTokens, IReadOnlyList<TextSpan> Parts);

/// <summary>The result.</summary>
/// <param name="Summary">The summary; numbers in brackets refer to <paramref name="Sections"/>.</param>
/// <param name="Citations">The numbers that the summary names, in the order of their first use, with the places that they stand for.</param>
/// <param name="Sections">All parts of the source, each with its own summary.</param>
/// <param name="Model">Who wrote it.</param>
/// <param name="Usage">What it cost.</param>
/// <param name="Source">The page that was read; null when the text was given.</param>
internal sealed record SummaryOutput(
    string Summary, IReadOnlyList<SummaryCitation> Citations, IReadOnlyList<SummarySection> Sections, string Model, SummaryUsage Usage, SummarySource? Source);

/// <param name="Url">Where it was at last, after redirects.</param>
/// <param name="Title">Its title; empty when it has none.</param>
/// <param name="TextSha256">The hash of its text's UTF-8, in which the places are.</param>
/// <param name="FetchedAt">When it was read.</param>
internal sealed record SummarySource(string Url, string Title, string TextSha256, DateTimeOffset FetchedAt);

/// <param name="Number">The number in brackets.</param>
/// <param name="Start">Where the part begins in the source, in UTF-16 code units.</param>
/// <param name="End">The place after its end.</param>
/// <param name="Quote">How the part begins, as a reader sees it.</param>
internal sealed record SummaryCitation(int Number, int Start, int End, string Quote);

/// <param name="Number">1, 2, 3…</param>
/// <param name="Start">Where the part begins in the source, in UTF-16 code units.</param>
/// <param name="End">The place after its end.</param>
/// <param name="Summary">What the part says.</param>
internal sealed record SummarySection(int Number, int Start, int End, string Summary);

/// <param name="Calls">Questions to the model.</param>
/// <param name="PromptTokens">Their tokens.</param>
/// <param name="CompletionTokens">The answers' tokens.</param>
internal sealed record SummaryUsage(int Calls, int PromptTokens, int CompletionTokens);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SummaryInput))]
[JsonSerializable(typeof(PlanStep))]
[JsonSerializable(typeof(SummaryPlan))]
[JsonSerializable(typeof(SummaryOutput))]
[JsonSerializable(typeof(WebPage))]
[JsonSerializable(typeof(string))]
internal sealed partial class SummaryJson : JsonSerializerContext;
