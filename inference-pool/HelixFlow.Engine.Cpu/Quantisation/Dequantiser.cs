using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu.Quantisation;

/// <summary>Unpacks stored rows of any type to float32: the scalar reference of every kernel, and the embedding look-up.</summary>
/// <remarks>Layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h, block_q4_0 to block_q6_K.</remarks>
internal static unsafe class Dequantiser
{
    /// <summary>Unpacks <paramref name="count"/> elements, whole blocks, from <paramref name="source"/>.</summary>
    public static void Unpack(TensorType type, byte* source, float* output, int count)
    {
        int blockElements = type.BlockElements();
        int blockBytes = type.BlockBytes();
        for (int i = 0; i < count; i += blockElements, source += blockBytes)
        {
            UnpackBlock(type, source, output + i);
        }
    }

    private static void UnpackBlock(TensorType type, byte* block, float* output)
    {
        switch (type)
        {
            case TensorType.F32:
                *output = *(float*)block;
                break;
            case TensorType.F16:
                *output = HalfFloat.Widen(*(ushort*)block);
                break;
            case TensorType.BF16:
                *output = HalfFloat.WidenBrain(*(ushort*)block);
                break;
            default:
                sbyte* codes = stackalloc sbyte[256];
                float* scales = stackalloc float[16];
                float* mins = stackalloc float[16];
                BlockCodes.Read(type, block, codes, scales, mins);
                int group = BlockCodes.GroupElements(type);
                for (int i = 0; i < type.BlockElements(); i++)
                {
                    output[i] = (scales[i / group] * codes[i]) + mins[i / group];
                }

                break;
        }
    }
}
