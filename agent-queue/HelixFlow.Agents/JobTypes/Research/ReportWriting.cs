using System.Globalization;
using System.Text;
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

        var answer = new ResearchPart("", session.Input.Question);
        var sections = new List<Section> { await PrepareAsync(session, "synthesise/answer", answer, evidence, cancellationToken).ConfigureAwait(false) };
        foreach ((int i, ResearchPart part) in parts.Index())
        {
            string address = string.Create(CultureInfo.InvariantCulture, $"synthesise/section/{i + 1}");
            sections.Add(await PrepareAsync(session, address, part, evidence, cancellationToken).ConfigureAwait(false));
        }

        string?[] texts = await Task.WhenAll(sections.Select(section => AskAsync(session, section, cancellationToken))).ConfigureAwait(false);
        var report = new StringBuilder();
        var named = new HashSet<int>();
        foreach ((Section section, string? written) in sections.Zip(texts))
        {
            string text = written ?? Quotes(section, named);
            if (text.Length > 0)
            {
                string heading = section.Heading.Length > 0 ? $"## {Clean(CitationMarkers.Hide(section.Heading))}\n\n" : "";
                report.Append(report.Length > 0 ? "\n\n" : "").Append(heading).Append(text);
            }

            named.UnionWith(CitationMarkers.In(text));
        }

        return Numbered(report.ToString(), evidence);
    }

    /// <summary>
    /// Takes out of a model's text what would make a reader's program fetch or run something: addresses, tags, and the brackets of links and
    /// pictures.
    /// </summary>
    internal static string Clean(string text)
    {
        string plain = Address().Replace(text, "").Replace("<", "&lt;", StringComparison.Ordinal);
        return LinkLike().Replace(CitationMarkers.Isolate(plain), "] "); // [1](…) and [1]: … would be links of Markdown
    }

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
        int[] ranked =
        [
            .. Enumerable.Range(0, evidence.Count).Where(i => scores[i] > 0 || part.Heading.Length == 0)
                .OrderByDescending(i => scores[i]).ThenBy(static i => i).Take(MostEvidence),
        ];
        if (ranked.Length == 0)
        {
            session.Note("empty_section", $"Nothing was found for the part \"{part.Heading}\".");
            return new Section(part.Heading, [], null);
        }

        int answerTokens = Math.Min(session.Input.Style == "brief" ? 250 : 500, session.Model.ContextLength / 4);
        string length = session.Input.Style == "brief" ? "a few sentences" : part.Heading.Length > 0 ? "one or two paragraphs" : "one paragraph";
        Question? question = await session.PrepareAsync(
            address,
            taken => ResearchPrompts.Write(session.Input, part.Heading, ranked.Take(taken).Select(i => Shown(evidence[i])), length),
            ranked.Length, answerTokens, 1, null, cancellationToken).ConfigureAwait(false);
        return new Section(part.Heading, [.. ranked.Take(question?.Items ?? QuotesWithoutModel).Select(i => (i + 1, evidence[i]))], question);
    }

    /// <summary>What the model writes, in which numbers in brackets are places in the list of all evidence; null when it cannot be used.</summary>
    private static async Task<string?> AskAsync(ResearchSession session, Section section, CancellationToken cancellationToken)
    {
        if (section.Question is not { } question)
        {
            return null;
        }

        ModelAnswer answer = await session.AskAsync(question, cancellationToken).ConfigureAwait(false);
        bool isCited = false;
        string text = CitationMarkers.Rewrite(Clean(answer.Text), number =>
        {
            bool isKnown = number >= 1 && number <= section.Evidence.Count;
            isCited |= isKnown;
            return isKnown ? section.Evidence[number - 1].Number : null;
        }).Trim();
        if (!isCited)
        {
            session.Note("section_uncited", "The model named no evidence for some parts of the report; they are quotes instead, or left out.");
        }

        return isCited ? text : null;
    }

    /// <summary>The best of a section's evidence that the report has not named yet; empty when it has named all.</summary>
    private static string Quotes(Section section, HashSet<int> named) => string.Join(
        '\n', section.Evidence.Where(one => !named.Contains(one.Number)).Take(QuotesWithoutModel).Select(static one => Quoted(one.Number, one.Evidence)));

    private static string Shown(Evidence evidence) => $"\"{evidence.Quote}\" ({evidence.Source.Page!.Title})";

    private static string Quoted(int number, Evidence evidence) =>
        string.Create(CultureInfo.InvariantCulture, $"- \"{Clean(CitationMarkers.Hide(evidence.Quote))}\" [{number}]");

    /// <param name="Heading">Its heading; empty for the answer.</param>
    /// <param name="Evidence">What it is written from, each with its number among all.</param>
    /// <param name="Question">To the model; null when it cannot be asked.</param>
    private sealed record Section(string Heading, IReadOnlyList<(int Number, Evidence Evidence)> Evidence, Question? Question);

    [GeneratedRegex("[a-zA-Z][a-zA-Z0-9+.-]*://[^\\s()<>\\[\\]]*", RegexOptions.NonBacktracking)]
    private static partial Regex Address();

    [GeneratedRegex(@"\](?=[(:])")]
    private static partial Regex LinkLike();
}
