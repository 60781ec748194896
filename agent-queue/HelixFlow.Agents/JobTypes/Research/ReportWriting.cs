using System.Globalization;
using System.Text.RegularExpressions;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.JobTypes.Research;

/// <summary>Writes the report from the evidence, and keeps of it what can be traced.</summary>
internal static partial class ReportWriting
{
    private const int MostEvidence = 24; // that one part of the report is written from
    private const int QuotesWithoutModel = 3;

    /// <summary>The report in Markdown with its citations, numbered in the order of their first use.</summary>
    /// <param name="session">The job.</param>
    /// <param name="parts">The sections after the answer; none for a short report.</param>
    /// <param name="evidence">All that was found.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<(string Report, List<Evidence> Cited)> WriteAsync(
        ResearchSession session, IReadOnlyList<ResearchPart> parts, IReadOnlyList<Evidence> evidence, CancellationToken cancellationToken)
    {
        if (evidence.Count == 0)
        {
            session.Note("nothing_found", "No page that could be read helps to answer the question.");
            return ("", []);
        }

        var sections = new List<Section> { await PrepareAsync(session, "synthesise/answer", new ResearchPart("", session.Input.Question), evidence, cancellationToken).ConfigureAwait(false) };
        foreach ((int i, ResearchPart part) in parts.Index())
        {
            sections.Add(await PrepareAsync(session, string.Create(CultureInfo.InvariantCulture, $"synthesise/section/{i + 1}"), part, evidence, cancellationToken).ConfigureAwait(false));
        }

        string[] texts = await Task.WhenAll(sections.Where(static section => section.Evidence.Count > 0).Select(async section =>
        {
            string text = await TextAsync(session, section, cancellationToken).ConfigureAwait(false);
            return section.Heading.Length > 0 ? $"## {Clean(CitationMarkers.Hide(section.Heading))}\n\n{text}" : text;
        })).ConfigureAwait(false);
        return Numbered(string.Join("\n\n", texts), evidence);
    }

    /// <summary>Takes out of a model's text what would make a reader's program fetch or run something: addresses, tags, and the brackets of links and pictures.</summary>
    internal static string Clean(string text) =>
        LinkLike().Replace(CitationMarkers.Isolate(Address().Replace(text, "").Replace("<", "&lt;", StringComparison.Ordinal)), "] "); // [1](…) and [1]: … would be links of Markdown

    /// <summary>Numbers the evidence that a report names by its place in the list.</summary>
    internal static (string Report, List<Evidence> Cited) Numbered(string report, IReadOnlyList<Evidence> evidence)
    {
        var cited = new List<Evidence>();
        string numbered = CitationMarkers.Rewrite(report, number =>
        {
            Evidence one = evidence[number - 1];
            if (!cited.Contains(one))
            {
                cited.Add(one);
            }

            return cited.IndexOf(one) + 1;
        });
        return (numbered, cited);
    }

    private static async Task<Section> PrepareAsync(
        ResearchSession session, string address, ResearchPart part, IReadOnlyList<Evidence> evidence, CancellationToken cancellationToken)
    {
        double[] scores = new Bm25(evidence.Select(static one => $"{one.Source.Page!.Title}\n{one.Quote}")).Scores($"{part.Heading} {part.Query}");

        // The answer may use whatever was found; a section only what is about it.
        int[] ranked = [.. Enumerable.Range(0, evidence.Count).Where(i => scores[i] > 0 || part.Heading.Length == 0).OrderByDescending(i => scores[i]).ThenBy(static i => i).Take(MostEvidence)];
        if (ranked.Length == 0)
        {
            session.Note("empty_section", $"Nothing was found for the part \"{part.Heading}\".");
            return new Section(part.Heading, [], null);
        }

        int answerTokens = Math.Min(session.Input.Style == "brief" ? 250 : 500, session.Model.ContextLength / 4);
        string length = session.Input.Style == "brief" ? "a few sentences" : part.Heading.Length > 0 ? "one or two paragraphs" : "one paragraph";
        Question? question = await session.PrepareAsync(
            address,
            taken => ResearchPrompts.Write(session.Input, part.Heading, ranked.Take(taken).Select(i => $"\"{evidence[i].Quote}\" ({evidence[i].Source.Page!.Title})"), length),
            ranked.Length, answerTokens, 1, null, cancellationToken).ConfigureAwait(false);
        return new Section(part.Heading, [.. ranked.Take(question?.Items ?? QuotesWithoutModel).Select(i => (i + 1, evidence[i]))], question);
    }

    /// <summary>A section's text, in which numbers in brackets are places in the list of all evidence.</summary>
    private static async Task<string> TextAsync(ResearchSession session, Section section, CancellationToken cancellationToken)
    {
        if (section.Question is { } question)
        {
            ModelAnswer answer = await session.AskAsync(question, cancellationToken).ConfigureAwait(false);
            bool isCited = false;
            string text = CitationMarkers.Rewrite(Clean(answer.Text), number =>
            {
                bool isKnown = number >= 1 && number <= section.Evidence.Count;
                isCited |= isKnown;
                return isKnown ? section.Evidence[number - 1].Number : null;
            }).Trim();
            if (isCited)
            {
                return text;
            }

            session.Note("section_uncited", "The model named no evidence for some parts of the report; they are quotes instead.");
        }

        return string.Join('\n', section.Evidence.Take(QuotesWithoutModel).Select(static one => string.Create(CultureInfo.InvariantCulture, $"- \"{Clean(CitationMarkers.Hide(one.Evidence.Quote))}\" [{one.Number}]")));
    }

    /// <param name="Heading">Its heading; empty for the answer.</param>
    /// <param name="Evidence">What it is written from, each with its number among all.</param>
    /// <param name="Question">To the model; null when it cannot be asked.</param>
    private sealed record Section(string Heading, IReadOnlyList<(int Number, Evidence Evidence)> Evidence, Question? Question);

    [GeneratedRegex("[a-zA-Z][a-zA-Z0-9+.-]*://[^\\s()<>\\[\\]]*", RegexOptions.NonBacktracking)]
    private static partial Regex Address();

    [GeneratedRegex(@"\](?=[(:])")]
    private static partial Regex LinkLike();
}
