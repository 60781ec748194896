using System.Collections.Immutable;

namespace HelixFlow.Engine.Formats;

/// <summary>The bytes a tensor occupies in its file, and the checks both formats share.</summary>
internal readonly record struct TensorExtent(string Name, long Offset, long Length)
{
    /// <summary>Bytes of a tensor; its rows must be whole blocks and its rows and columns countable by an <see cref="int"/>.</summary>
    public static long SizeBytes(string path, long? at, string name, TensorType type, ImmutableArray<long> shape)
    {
        long columns = shape.Length == 0 ? 1 : shape[^1];
        long rows = 1;
        for (int i = 0; i < shape.Length - 1; i++)
        {
            rows = Math.BigMul(rows, shape[i], out long low) == 0 && low is >= 0 and <= int.MaxValue ? low : long.MaxValue;
            if (rows == long.MaxValue)
            {
                break;
            }
        }

        if (rows > int.MaxValue || columns > int.MaxValue)
        {
            throw new ModelFormatException(
                path, at, $"tensor '{name}' of shape [{string.Join(", ", shape)}] is too large: at most {int.MaxValue} rows and columns are allowed");
        }

        if (columns % type.BlockElements() != 0)
        {
            throw new ModelFormatException(
                path, at, $"tensor '{name}' has rows of {columns} elements, not a multiple of the {type.BlockElements()} that {type} stores together");
        }

        // At most 2^31 rows of 2^31 elements of 4 bytes: the product may need 64 bits.
        long rowBytes = type.RowBytes(columns);
        return rows <= long.MaxValue / Math.Max(rowBytes, 1)
            ? rows * rowBytes
            : throw new ModelFormatException(path, at, $"tensor '{name}' of shape [{string.Join(", ", shape)}] is larger than any file");
    }

    /// <summary>Sorts <paramref name="extents"/> by offset and refuses two that share a byte.</summary>
    public static void RefuseOverlaps(string path, List<TensorExtent> extents)
    {
        extents.Sort(static (a, b) => a.Offset.CompareTo(b.Offset));
        for (int i = 1; i < extents.Count; i++)
        {
            TensorExtent before = extents[i - 1];
            if (before.Offset + before.Length > extents[i].Offset)
            {
                throw new ModelFormatException(path, extents[i].Offset, $"tensors '{before.Name}' and '{extents[i].Name}' overlap");
            }
        }
    }
}
