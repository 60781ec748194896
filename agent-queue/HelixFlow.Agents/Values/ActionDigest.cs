using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Agents.Values;

/// <summary>What a step does, named by content: two steps with the same digest would do the same with the same inputs.</summary>
/// <param name="Executor">The kind of step, for example <c>chunk</c>.</param>
/// <param name="Version">Raised by its author when the same inputs would give another output.</param>
/// <param name="Inputs">The inputs by port, each as what refers to its canonical form (<see cref="ValueReference"/>): an upstream step that yields the same again changes nothing here.</param>
/// <param name="Salt">Different for steps that must not share a result, for example samples of a model; usually empty.</param>
/// <param name="Namespace">Whose results may be shared: a project.</param>
public sealed record ActionDigest(string Executor, int Version, IReadOnlyDictionary<string, string> Inputs, string Salt, string Namespace)
{
    private const string Form = "helixflow action 1";
    private const int MostOnStack = 1024;
    private const int MostOfRest = 512; // the lengths, and all parts of a step but its executor and its project

    /// <summary>SHA-256 of the parts, each with its length before it, so that no two different actions have the same bytes.</summary>
    public string Hash()
    {
        var parts = new ArrayBufferWriter<byte>(512);
        Add(parts, Form);
        Add(parts, Namespace);
        Add(parts, Executor);
        Add(parts, Version.ToString(CultureInfo.InvariantCulture));
        Add(parts, Salt);
        foreach ((string port, string value) in Inputs.Count > 1 ? Inputs.OrderBy(static input => input.Key, StringComparer.Ordinal) : (IEnumerable<KeyValuePair<string, string>>)Inputs)
        {
            Add(parts, port);
            Add(parts, value);
        }

        return HashOf(parts.WrittenSpan);
    }

    /// <summary>The digest of a step of a run, which has one input: the same as that of the record, without building it.</summary>
    /// <param name="executor">As for the record.</param>
    /// <param name="version">As for the record.</param>
    /// <param name="input">The input's canonical bytes.</param>
    /// <param name="project">The namespace.</param>
    public static string OfStep(string executor, int version, ReadOnlySpan<byte> input, string project)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> reference = stackalloc byte[Math.Max(2 * SHA256.HashSizeInBytes, ValueReference.MostBytes + 1)];
        int referenceLength = ValueReference.Write(input, reference);
        int size = Encoding.UTF8.GetMaxByteCount(executor.Length + project.Length) + MostOfRest;
        Span<byte> parts = size <= MostOnStack ? stackalloc byte[size] : new byte[size];
        int length = 0;
        Add(parts, ref length, Form);
        Add(parts, ref length, project);
        Add(parts, ref length, executor);
        Span<char> number = stackalloc char[16];
        version.TryFormat(number, out int digits, default, CultureInfo.InvariantCulture);
        Add(parts, ref length, number[..digits]);
        Add(parts, ref length, "");
        Add(parts, ref length, "input");
        Add(parts, ref length, reference[..referenceLength]);
        SHA256.HashData(parts[..length], hash);
        return Convert.ToHexStringLower(hash);
    }

    /// <summary>The hash of a value's canonical bytes.</summary>
    public static string HashOf(ReadOnlySpan<byte> canonical) => Convert.ToHexStringLower(SHA256.HashData(canonical));

    private static void Add(ArrayBufferWriter<byte> parts, string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        Span<byte> space = parts.GetSpan(sizeof(long) + length);
        BinaryPrimitives.WriteInt64LittleEndian(space, length);
        Encoding.UTF8.GetBytes(text, space[sizeof(long)..]);
        parts.Advance(sizeof(long) + length);
    }

    private static void Add(Span<byte> parts, ref int length, ReadOnlySpan<char> text)
    {
        int count = Encoding.UTF8.GetBytes(text, parts[(length + sizeof(long))..]);
        BinaryPrimitives.WriteInt64LittleEndian(parts[length..], count);
        length += sizeof(long) + count;
    }

    private static void Add(Span<byte> parts, ref int length, ReadOnlySpan<byte> text)
    {
        BinaryPrimitives.WriteInt64LittleEndian(parts[length..], text.Length);
        text.CopyTo(parts[(length + sizeof(long))..]);
        length += sizeof(long) + text.Length;
    }
}
