using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace HelixFlow.Storage;

/// <summary>One step of a database's schema: SQL that is run once, in the order of the numbers, and never changed afterwards.</summary>
/// <param name="Number">Its place in the order; unique within a database.</param>
/// <param name="Name">What it adds.</param>
/// <param name="Sql">One or several statements.</param>
public sealed record SchemaScript(int Number, string Name, string Sql)
{
    /// <summary>SHA-256 of the text, by which a script that was changed after it had been applied is noticed.</summary>
    public string Digest => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql.ReplaceLineEndings("\n"))));

    /// <summary>The scripts that an assembly holds as resources named <c>folder/0101-name.sql</c>, in their order.</summary>
    /// <exception cref="InvalidDataException">A resource's name has no number, or two have the same.</exception>
    public static IReadOnlyList<SchemaScript> Embedded(Assembly assembly, string folder)
    {
        var scripts = new SortedDictionary<int, SchemaScript>();
        foreach (string resource in assembly.GetManifestResourceNames().Where(name => name.StartsWith(folder + "/", StringComparison.Ordinal)))
        {
            string file = resource[(folder.Length + 1)..];
            int dash = file.IndexOf('-', StringComparison.Ordinal);
            if (dash < 0 || !int.TryParse(file[..dash], out int number))
            {
                throw new InvalidDataException($"{resource} is not named number-name.sql.");
            }

            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            if (!scripts.TryAdd(number, new SchemaScript(number, Path.GetFileNameWithoutExtension(file)[(dash + 1)..], reader.ReadToEnd())))
            {
                throw new InvalidDataException($"Two scripts of {folder} have the number {number}.");
            }
        }

        return [.. scripts.Values];
    }
}
