namespace HelixFlow.Engine.Backends;

/// <summary>Which elements of a head a rotary embedding pairs.</summary>
public enum RopePairing
{
    /// <summary>(0, 1), (2, 3), …: Llama and Mistral as stored in GGUF.</summary>
    Adjacent,

    /// <summary>(0, n/2), (1, n/2 + 1), …: Hugging Face's layout, and every other family in GGUF.</summary>
    Halves,
}

/// <summary>A rotary position embedding with its frequencies worked out (base, Llama 3 scaling, long-context factors, all folded in).</summary>
/// <param name="HeadSize">Elements per head.</param>
/// <param name="Pairing">Which elements are rotated together.</param>
/// <param name="Frequencies">Radians per position of each pair; its length is half the number of rotated elements, the rest of the head is left as it is.</param>
/// <param name="Magnitude">Multiplies cosine and sine (YaRN and LongRoPE attention factor); 1 for most models.</param>
public sealed record Rope(int HeadSize, RopePairing Pairing, float[] Frequencies, float Magnitude = 1);
