namespace HelixFlow.Cli.Bench.Engines;

/// <summary>An engine with a loaded model, as <see cref="EngineMeter"/> drives it: prompts in, the greedy next token out.</summary>
/// <remarks>Two implementations: HelixFlow's own and llama.cpp's. Not thread-safe.</remarks>
internal interface IMeasuredEngine : IDisposable
{
    int VocabularySize { get; }

    /// <summary>Evaluates a prompt from position 0 of a sequence that <see cref="Rewind"/> has emptied.</summary>
    /// <returns>The greedy next token.</returns>
    int Prefill(int sequence, ReadOnlySpan<int> tokens);

    /// <summary>Evaluates one token of each of the sequences 0, 1, … at a position, together, and replaces each by the greedy next one.</summary>
    void Step(Span<int> next, int position);

    /// <summary>Forgets what a sequence holds from a position on.</summary>
    void Rewind(int sequence, int position);
}
