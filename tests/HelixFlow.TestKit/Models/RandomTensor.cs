using System.Runtime.InteropServices;
using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Models;

/// <summary>What a tensor of a random model holds.</summary>
internal enum RandomTensorKind
{
    /// <summary>Normal numbers of the model's type.</summary>
    Matrix,

    /// <summary>Numbers around a mean, float32; multiples of 1/1024, so that 1 can be taken off and added again exactly.</summary>
    Norm,

    /// <summary>Small numbers, float32.</summary>
    Bias,
}

/// <summary>One tensor of a random model.</summary>
/// <param name="GgufName">Its name in GGUF, which also determines its numbers.</param>
/// <param name="HuggingFaceName">Its name in a Hugging Face model.</param>
/// <param name="Kind">What it holds.</param>
/// <param name="Shape">Outermost dimension first.</param>
internal sealed record RandomTensor(string GgufName, string HuggingFaceName, RandomTensorKind Kind, params long[] Shape)
{
    /// <summary>The numbers' mean.</summary>
    public float Mean { get; init; }

    /// <summary>The numbers' standard deviation.</summary>
    public float Deviation { get; init; } = 0.1f;

    /// <summary>
    /// For query and key weights of Llama: the elements per head. GGUF has the rows of a head in another order, with the two that are rotated
    /// together side by side.
    /// </summary>
    public int InterleavedHeadSize { get; init; }

    /// <summary>Subtracted from norms in a Hugging Face model.</summary>
    public float HuggingFaceOffset { get; init; }

    private long Elements => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    public TensorType TypeIn(TensorType modelType) => Kind == RandomTensorKind.Matrix ? modelType : TensorType.F32;

    public long SizeBytes(TensorType modelType) => TypeIn(modelType).RowBytes(Elements);

    public void Write(Stream stream, TensorType modelType, ulong seed)
    {
        var random = RandomWeights.For(seed, GgufName);
        if (Kind == RandomTensorKind.Matrix)
        {
            random.WriteMatrix(stream, modelType, Elements, Deviation);
            return;
        }

        var values = new float[Elements];
        random.FillNormal(values, Mean, Deviation);
        if (Kind == RandomTensorKind.Norm)
        {
            values = Array.ConvertAll(values, value => MathF.Round(value * 1024) / 1024);
        }

        stream.Write(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    /// <summary>The same numbers as a Hugging Face model holds them.</summary>
    public byte[] HuggingFaceBytes(TensorType modelType, ulong seed)
    {
        using var stream = new MemoryStream();
        Write(stream, modelType, seed);
        byte[] bytes = stream.ToArray();
        if (HuggingFaceOffset != 0)
        {
            foreach (ref float value in MemoryMarshal.Cast<byte, float>(bytes.AsSpan()))
            {
                value -= HuggingFaceOffset;
            }
        }

        return InterleavedHeadSize == 0 ? bytes : Deinterleave(bytes, bytes.Length / (int)Shape[0]);
    }

    private byte[] Deinterleave(byte[] bytes, int rowBytes)
    {
        var result = new byte[bytes.Length];
        int half = InterleavedHeadSize / 2;
        for (int row = 0; row < Shape[0]; row++)
        {
            int inHead = row % InterleavedHeadSize;
            int target = row - inHead + (inHead / 2) + (inHead % 2 * half);
            bytes.AsSpan(row * rowBytes, rowBytes).CopyTo(result.AsSpan(target * rowBytes));
        }

        return result;
    }
}
