using HelixFlow.LlamaCpp;

namespace HelixFlow.Cli.Bench.Engines;

/// <summary>llama.cpp with the same room and threads, with or without its fused attention. Owns its context, not the model.</summary>
internal sealed class LlamaCppEngine(LlamaCppModel model, EngineRoom room, bool flashAttention) : IMeasuredEngine
{
    private readonly LlamaCppContext _context = model.CreateContext(new LlamaCppContextOptions
    {
        ContextLength = room.Length,
        Sequences = room.Sequences,
        Threads = room.Threads,
        FlashAttention = flashAttention,
    });

    public int VocabularySize => model.VocabularySize;

    public int Prefill(int sequence, ReadOnlySpan<int> tokens) => GreedyToken.Of(_context.Evaluate(tokens, 0, sequence));

    public void Step(Span<int> next, int position)
    {
        _context.EvaluateTogether(next, position);
        for (int sequence = 0; sequence < next.Length; sequence++)
        {
            next[sequence] = GreedyToken.Of(_context.Logits(sequence));
        }
    }

    public void Rewind(int sequence, int position) => _context.Truncate(sequence, position);

    public void Dispose() => _context.Dispose();
}
