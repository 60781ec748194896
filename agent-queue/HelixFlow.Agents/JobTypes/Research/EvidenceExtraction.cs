using System.Globalization;
using HelixFlow.Agents.Texts;

namespace HelixFlow.Agents.JobTypes.Research;

/// <summary>A place in a page that helps to answer the question.</summary>
/// <param name="Source">The page.</param>
/// <param name="Span">The place in its text.</param>
/// <param name="Quote">What stands there, in one line.</param>
/// <param name="IsRanked">Whether the ranking chose it, not the model.</param>
internal sealed record Evidence(TriedSource Source, TextSpan Span, string Quote, bool IsRanked);

/// <summary>Finds the places in pages that help to answer: BM25 chooses what the model gets to read, the model names sentences of it by number.</summary>
/// <remarks>As a quote is cut out of the page by its place, it is what stands there, whatever the model writes.</remarks>
internal static class EvidenceExtraction
{
    private const int MostAtOnce = 4;
    private const int PassageLength = 500; // characters: a paragraph
    private const int MostPassages = 16; // of a page
    private const int MostQuotes = 5; // of a page
    private const int LongestQuote = 600;
    private const int MostNearest = 3;
    private const int AnswerTokens = 80;

    // What is left of the tokens is for the report.
    private const double Share = 0.7;

    /// <summary>The evidence of pages, in the order of the pages; those without any say why.</summary>
    public static async Task<List<Evidence>> FindAsync(
        ResearchSession session, IReadOnlyList<TriedSource> sources, string query, CancellationToken cancellationToken)
    {
        TriedSource[] readable = [.. sources.Where(static source => source.Refusal is null)];
        ILookup<TriedSource, Passage> ranked = Ranked(readable, query).ToLookup(static passage => passage.Source);
        var evidence = new List<Evidence>();
        foreach (TriedSource[] batch in readable.Chunk(MostAtOnce))
        {
            var prepared = new List<(TriedSource Source, Passage[] Best, Question? Question)>();
            foreach (TriedSource source in batch)
            {
                Passage[] best = [.. ranked[source].Take(MostPassages)];
                prepared.Add((source, best, best.Length == 0 ? null : await PrepareAsync(session, source, best, cancellationToken).ConfigureAwait(false)));
            }

            List<Evidence>[] found =
                await Task.WhenAll(prepared.Select(one => AskAsync(session, one.Source, one.Best, one.Question, cancellationToken))).ConfigureAwait(false);
            evidence.AddRange(found.SelectMany(static one => one));
            await session.ReportAsync(40, 70, batch[^1].Number, "Reading for evidence", cancellationToken).ConfigureAwait(false);
        }

        return evidence;
    }

    /// <summary>The passages that compare best with a question, and others that are at least half as good, for when the model named none.</summary>
    public static List<Evidence> Nearest(IReadOnlyList<TriedSource> sources, string query)
    {
        TriedSource[] readable = [.. sources.Where(static source => source.Page is not null && source.Refusal?.Code != "duplicate")];
        Passage[] nearest = [.. Ranked(readable, query).Take(MostNearest)];
        nearest = [.. nearest.Where(passage => passage.Score >= nearest[0].Score / 2)];
        Array.ForEach(nearest, static passage => passage.Source.Refusal = null);
        return [.. nearest.SelectMany(static passage => Quotes(passage.Source, Enumerable.Range(passage.First, passage.Count), true))];
    }

    /// <summary>Cuts places out of a page; neighbours become one quote.</summary>
    internal static List<Evidence> Quotes(TriedSource source, IEnumerable<int> sentences, bool isRanked)
    {
        string text = source.Page!.Text;
        var spans = new List<TextSpan>();
        int before = -2;
        foreach (int index in sentences.Distinct().Order())
        {
            TextSpan sentence = source.Sentences[index];
            if (index == before + 1 && sentence.End - spans[^1].Start <= LongestQuote)
            {
                spans[^1] = spans[^1] with { End = sentence.End };
            }
            else
            {
                spans.Add(sentence);
            }

            before = index;
        }

        return [.. spans.Take(MostQuotes).Select(span => new Evidence(source, span, ResearchPrompts.OneLine(text[span.Start..span.End]), isRanked))];
    }

    private static Task<Question?> PrepareAsync(
        ResearchSession session, TriedSource source, Passage[] best, CancellationToken cancellationToken) => session.PrepareAsync(
        string.Create(CultureInfo.InvariantCulture, $"extract/{source.Number}"),
        taken => ResearchPrompts.Extract(session.Input, source.Page!.Title, Shown(best, taken).Select(source.TextOf)),
        best.Length,
        AnswerTokens,
        Share,
        ResearchPrompts.ExtractSchema(Shown(best, best.Length).Count, MostQuotes),
        cancellationToken);

    private static async Task<List<Evidence>> AskAsync(
        ResearchSession session, TriedSource source, Passage[] best, Question? question, CancellationToken cancellationToken)
    {
        if (best.Length == 0)
        {
            source.Refusal = ("off_topic", "It has none of the words that were looked for.");
            return [];
        }

        if (question is not null)
        {
            List<int> shown = Shown(best, question.Items);
            if (ResearchPrompts.Numbers(await session.AskAsync(question, cancellationToken).ConfigureAwait(false)) is { } numbers)
            {
                IEnumerable<int> known = numbers.Where(number => number >= 1 && number <= shown.Count).Take(MostQuotes);
                List<Evidence> named = Quotes(source, known.Select(number => shown[number - 1]), false);
                if (named.Count == 0)
                {
                    source.Refusal = ("off_topic", "The model found nothing in it that helps.");
                }

                return named;
            }

            session.Note("extraction_unreadable", "The model's choice of sentences could not be read for some pages; the ranking chose instead.");
        }

        // The best passage stands for the page.
        return Quotes(source, Enumerable.Range(best[0].First, best[0].Count), true);
    }

    /// <summary>The sentences of the best passages, in the order of the page.</summary>
    private static List<int> Shown(Passage[] best, int taken) =>
        [.. best.Take(taken).SelectMany(static passage => Enumerable.Range(passage.First, passage.Count)).Order()];

    private static IEnumerable<Passage> Ranked(TriedSource[] sources, string query)
    {
        List<Passage> passages = [.. sources.SelectMany(PassagesOf)];
        double[] scores = new Bm25(passages.Select(static passage => passage.Text)).Scores(query);
        return passages.Select((passage, i) => passage with { Score = scores[i] }).Where(static passage => passage.Score > 0)
            .OrderByDescending(static passage => passage.Score).ThenBy(static passage => passage.Source.Number).ThenBy(static passage => passage.First);
    }

    private static List<Passage> PassagesOf(TriedSource source)
    {
        var passages = new List<Passage>();
        List<TextSpan> sentences = source.Sentences;
        for (int first = 0; first < sentences.Count;)
        {
            int next = first + 1;
            while (next < sentences.Count && sentences[next].End - sentences[first].Start <= PassageLength)
            {
                next++;
            }

            // The title says of every passage what it is about.
            string text = source.Page!.Text[sentences[first].Start..sentences[next - 1].End];
            passages.Add(new Passage(source, first, next - first, source.Page.Title.Length > 0 ? $"{source.Page.Title}\n{text}" : text, 0));
            first = next;
        }

        return passages;
    }

    /// <param name="Source">The page.</param>
    /// <param name="First">Its first sentence.</param>
    /// <param name="Count">How many there are.</param>
    /// <param name="Text">What is compared with the question.</param>
    /// <param name="Score">How well it compares.</param>
    private sealed record Passage(TriedSource Source, int First, int Count, string Text, double Score);
}
