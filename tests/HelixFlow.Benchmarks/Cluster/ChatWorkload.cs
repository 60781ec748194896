using System.Text;

namespace HelixFlow.Benchmarks.Cluster;

/// <summary>Conversations of several tenants, whose turns arrive by a Poisson process that does not wait for answers.</summary>
/// <remarks>
/// Everything but the answers follows from the seed: the texts, and when a turn arrives and whose it is. A turn that arrives while the
/// tenant's one before it runs starts right after that one, because it repeats that one's answer; its time to the first token counts from then.
/// </remarks>
internal sealed class ChatWorkload(string model, int tenants, int turns, int systemCharacters, int answerTokens, double rate, int seed)
{
    private static readonly string[] Words =
    [
        "the", "node", "gateway", "model", "serves", "answers", "from", "with", "tokens", "cache", "prompt", "queue", "request", "is", "and", "of",
        "engine", "batch", "client", "key", "value", "stream", "load", "router", "policy", "memory", "on", "for", "each", "what", "how", "when",
    ];

    /// <summary>A request of its own that shares nothing with the conversations.</summary>
    public Task WarmUpAsync(Target target, int number, CancellationToken cancellationToken) => target.RunAsync(
        new Turn(model, [("user", Text(new Random(-1 - number), 300))], answerTokens), new StreamTrace(), stamped: false, cancellationToken);

    /// <summary>Runs all conversations to their ends.</summary>
    public async Task<IReadOnlyList<StreamTrace>> RunAsync(Target target, CancellationToken cancellationToken)
    {
        var random = new Random(seed);
        string[] systems = [.. Enumerable.Range(0, tenants).Select(_ => Text(random, systemCharacters))];
        int[] order = [.. Enumerable.Range(0, tenants * turns).Select(i => i % tenants)];
        random.Shuffle(order);
        var histories = systems.Select(static system => new List<(string Role, string Content)> { ("system", system) }).ToArray();
        var latest = new Task[tenants];
        Array.Fill(latest, Task.CompletedTask);
        var traces = new List<StreamTrace>();
        long start = TimeProvider.System.GetTimestamp();
        TimeSpan due = TimeSpan.Zero;
        foreach (int tenant in order)
        {
            due += TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) / rate);
            TimeSpan wait = due - TimeProvider.System.GetElapsedTime(start);
            await Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, cancellationToken);
            var trace = new StreamTrace { Text = new StringBuilder() };
            traces.Add(trace);
            latest[tenant] = TurnAsync(target, latest[tenant], histories[tenant], Text(random, 60), trace, cancellationToken);
        }

        await Task.WhenAll(latest);
        return traces;
    }

    private static string Text(Random random, int characters)
    {
        var text = new StringBuilder();
        while (text.Length < characters)
        {
            text.Append(Words[random.Next(Words.Length)]).Append(' ');
        }

        return text.ToString(0, characters);
    }

    private async Task TurnAsync(
        Target target, Task before, List<(string Role, string Content)> history, string question, StreamTrace trace, CancellationToken cancellationToken)
    {
        await before;
        history.Add(("user", question));
        await target.RunAsync(new Turn(model, [.. history], answerTokens), trace, stamped: false, cancellationToken);
        history.Add(("assistant", trace.Text!.ToString()));
    }
}
