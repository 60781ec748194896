using System.Text.Json.Serialization;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.JobTypes.Research;

/// <summary>What is to be found out, and how. Its properties have setters because source-generated readers forget the defaults of others.</summary>
internal sealed record ResearchInput
{
    public required string Question { get; set; }

    public IReadOnlyList<string> Urls { get; set; } = [];

    public IReadOnlyList<string> Sources { get; set; } = ["web", "local"];

    public int Breadth { get; set; } = 4;

    public int Depth { get; set; } = 1;

    public int MaxSources { get; set; } = 8;

    public string? Language { get; set; }

    public string Style { get; set; } = "report";

    public string? Model { get; set; }

    public int? MaxTokens { get; set; }
}

/// <summary>What the job depends on and may be otherwise when its code runs again: which model there was, and whether there was anybody to search.</summary>
internal sealed record ResearchStart(ModelLimits Model, bool CanSearch);

/// <summary>What the start depends on.</summary>
internal sealed record StartStep(string? Model, IReadOnlyList<string> Sources);

/// <summary>A part of the question: what its section is called, and what is searched for it.</summary>
internal sealed record ResearchPart(string Heading, string Query);

/// <summary>A search: the step's input.</summary>
internal sealed record SearchStep(string Query, int Limit, string? Language, IReadOnlyList<string> Sources);

/// <summary>What the providers have found together, the best first, and who of them could not search.</summary>
internal sealed record SearchFound(IReadOnlyList<FoundPage> Pages, IReadOnlyList<string> Failures);

/// <param name="Url">Where it is.</param>
/// <param name="Title">Its title, as the provider says.</param>
/// <param name="Provider">Who has found it.</param>
/// <param name="Rank">Its best place in a list of results; 1 is the first.</param>
/// <param name="Score">The sum over the lists of 1 / (60 + rank).</param>
internal sealed record FoundPage(string Url, string Title, string Provider, int Rank, double Score);

/// <summary>The result.</summary>
internal sealed record ResearchOutput(
    string Question, string Report, IReadOnlyList<ResearchCitation> Citations, IReadOnlyList<ResearchSource> Sources, IReadOnlyList<string> Queries,
    IReadOnlyList<ResearchNote> Notes, string Model, ResearchUsage Usage);

/// <summary>A place in a page that was read. <paramref name="Start"/> and <paramref name="End"/> count UTF-16 code units of the page's text.</summary>
/// <param name="Number">The number in brackets.</param>
/// <param name="Source">The source's number.</param>
/// <param name="Url">Where the page is.</param>
/// <param name="Title">Its title.</param>
/// <param name="Quote">What stands there, runs of white space as one space.</param>
/// <param name="Start">Where it begins.</param>
/// <param name="End">The place after its end.</param>
/// <param name="Artifact">The artifact of the job that has the page's text.</param>
/// <param name="TextSha256">The hash of the page's text.</param>
/// <param name="FetchedAt">When it was read.</param>
/// <param name="ChosenBy"><c>model</c>, or <c>ranking</c> when the model's choice could not be used.</param>
internal sealed record ResearchCitation(
    int Number, int Source, string Url, string Title, string Quote, int Start, int End, string Artifact, string TextSha256,
    DateTimeOffset FetchedAt, string ChosenBy);

/// <summary>A page that was tried.</summary>
/// <param name="Number">1, 2, 3… in the order in which they were tried.</param>
/// <param name="Url">Where it is.</param>
/// <param name="Title">Its title.</param>
/// <param name="Status"><c>cited</c>, <c>read</c> or <c>rejected</c>.</param>
/// <param name="Code">Why it was rejected or not cited, for programs.</param>
/// <param name="Reason">The same for people.</param>
/// <param name="FoundBy">Who has found it; <c>input</c> when it was given.</param>
/// <param name="Step">The step that has its text.</param>
/// <param name="TextSha256">The hash of its text.</param>
/// <param name="FetchedAt">When it was read.</param>
internal sealed record ResearchSource(
    int Number, string Url, string Title, string Status, string? Code, string? Reason, string FoundBy, string Step, string? TextSha256,
    DateTimeOffset? FetchedAt);

/// <summary>What did not go as it should, and what was done instead.</summary>
internal sealed record ResearchNote(string Code, string Message);

internal sealed record ResearchUsage(int Calls, int PromptTokens, int CompletionTokens);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ResearchInput))]
[JsonSerializable(typeof(ResearchOutput))]
[JsonSerializable(typeof(SearchStep))]
[JsonSerializable(typeof(SearchFound))]
[JsonSerializable(typeof(FetchResult))]
[JsonSerializable(typeof(StartStep))]
[JsonSerializable(typeof(ResearchStart))]
[JsonSerializable(typeof(string))]
internal sealed partial class ResearchJson : JsonSerializerContext;
