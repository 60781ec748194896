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
        bool fits = columns <= int.MaxValue;
        for (int i = 0; i < shape.Length - 1 && fits; i++)
        {
            fits = shape[i] <= int.MaxValue && (rows *= shape[i]) <= int.MaxValue;
        }

        if (!fits)
        {
            throw new ModelFormatException(
                path, at, $"tensor '{name}' of shape [{string.Join(", ", shape)}] is too large: at most {int.MaxValue} rows and "
                    + "columns are allowed");
        }

        if (columns % type.BlockElements() != 0)
        {
            throw new ModelFormatException(
                path, at, $"tensor '{name}' has rows of {columns} elements, not a multiple of the {type.BlockElements()} that "
                    + $"{type} stores together");
        }

        return Math.BigMul(rows, type.RowBytes(columns), out long size) == 0 && size >= 0
            ? size
            : throw new ModelFormatException(path, at, $"tensor '{name}' of shape [{string.Join(", ", shape)}] is larger than any file");
    }

    /// <summary>Sorts <paramref name="extents"/> by offset and refuses two that share a byte.</summary>
    public static void RefuseOverlaps(string path, List<TensorExtent> extents)
    {
        // An empty tensor sorts before the one that starts at the same byte.
        extents.Sort(static (a, b) => (a.Offset, a.Length).CompareTo((b.Offset, b.Length)));
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
