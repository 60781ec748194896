using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Agents.Values;

/// <summary>What a step does, named by content: two steps with the same digest would do the same with the same inputs.</summary>
/// <param name="Executor">The kind of step, for example <c>chunk</c>.</param>
/// <param name="Version">Raised by its author when the same inputs would give another output.</param>
/// <param name="Inputs">The inputs by port, each as the hash of its canonical form: an upstream step that yields the same again changes nothing here.</param>
/// <param name="Salt">Different for steps that must not share a result, for example samples of a model; usually empty.</param>
/// <param name="Namespace">Whose results may be shared: a project.</param>
public sealed record ActionDigest(string Executor, int Version, IReadOnlyDictionary<string, string> Inputs, string Salt, string Namespace)
{
    /// <summary>SHA-256 of the parts, each with its length before it, so that no two different actions have the same bytes.</summary>
    public string Hash()
    {
        var parts = new ArrayBufferWriter<byte>(512);
        Add(parts, "helixflow action 1");
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

    /// <summary>The digest of a step of a run, whose one input is named by its hash.</summary>
    public static string OfStep(string executor, int version, string inputHash, string project) =>
        new ActionDigest(executor, version, new Dictionary<string, string> { ["input"] = inputHash }, "", project).Hash();

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
}
