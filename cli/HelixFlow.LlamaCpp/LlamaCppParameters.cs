using System.Runtime.InteropServices;

namespace HelixFlow.LlamaCpp;

/// <summary>
/// Any of llama.cpp's parameter structs, as a block at least as large as each. Passed by value, a struct that is too large does no harm: the
/// callee reads the part it knows.
/// </summary>
internal unsafe struct LlamaCppParameters
{
    // llama_context_params, indices of 32-bit fields.
    public const int ContextLength = 0;
    public const int BatchSize = 1;
    public const int MicroBatchSize = 2;
    public const int SequenceCount = 3;
    public const int Threads = 7;
    public const int BatchThreads = 8;
    public const int Pooling = 11;
    public const int FlashAttention = 13;
    public const int KeyType = 26;
    public const int ValueType = 27;

    // llama_model_params, byte offset of a flag.
    public const int VocabularyOnly = 72;

    // llama_model_quantize_params, indices of 32-bit fields, and the byte offset of a flag.
    public const int QuantiseThreads = 0;
    public const int QuantiseType = 1;
    public const int QuantisePure = 19;

    private fixed ulong _words[32];

    public readonly ReadOnlySpan<int> Int32s
    {
        get
        {
            fixed (ulong* words = _words)
            {
                return MemoryMarshal.CreateReadOnlySpan(ref *(int*)words, 64).ToArray();
            }
        }
    }

    public void SetInt32(int index, int value)
    {
        fixed (ulong* words = _words)
        {
            ((int*)words)[index] = value;
        }
    }

    public void SetFlag(int offset, bool value)
    {
        fixed (ulong* words = _words)
        {
            ((byte*)words)[offset] = value ? (byte)1 : (byte)0;
        }
    }
}
