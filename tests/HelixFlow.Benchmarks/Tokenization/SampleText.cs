using System.Collections;
using System.Reflection;
using System.Resources;
using System.Text;

namespace HelixFlow.Benchmarks.Tokenization;

/// <summary>Text to measure with, from what a development machine has anyway: nothing of it is in this repository.</summary>
internal static class SampleText
{
    private const int DocumentChars = 8_000;

    /// <summary>English prose (descriptions and licences of packages), source code, and Chinese messages of the .NET SDK.</summary>
    /// <param name="interop">tests/interop, with its packages installed.</param>
    /// <param name="size">About how many UTF-8 bytes of each kind.</param>
    public static Dictionary<string, string[]> Read(string interop, int size)
    {
        string packages = Path.Combine(interop, "node_modules");
        return new Dictionary<string, string[]>
        {
            ["english"] = Cut(Paragraphs(Prose(packages)), size),
            ["code"] = Cut(Files(packages, "*.ts").Concat(Files(packages, "*.mjs")), size),
            ["chinese"] = Cut(ChineseMessages(), size),
        };
    }

    private static IEnumerable<string> Prose(string packages) => Files(packages, "*.md").Concat(Files(packages, "LICEN*"));

    // Lines that read as sentences: long enough, mostly letters and spaces. Each paragraph counts once, however many packages have it.
    private static IEnumerable<string> Paragraphs(IEnumerable<string> files) => files
        .SelectMany(file => file.ReplaceLineEndings("\n").Split("\n\n"))
        .Where(text => text.Length > 80 && text.Count(c => char.IsAsciiLetter(c) || c == ' ') > text.Length * 0.88)
        .Distinct()
        .Select(text => text + "\n\n");

    private static IEnumerable<string> Files(string folder, string pattern) => Directory.EnumerateFiles(folder, pattern, SearchOption.AllDirectories)
        .Where(file => new FileInfo(file).Length is > 500 and < 1_000_000)
        .Order(StringComparer.Ordinal)
        .Select(File.ReadAllText);

    // The SDK's satellite assemblies hold the translated messages of the compilers and of MSBuild.
    private static IEnumerable<string> ChineseMessages()
    {
        string sdks = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", "..", "sdk"));
        string[] files = Directory.Exists(sdks) ? [.. Directory.EnumerateFiles(sdks, "*.resources.dll", SearchOption.AllDirectories)
            .Where(file => file.Contains("zh-Hans", StringComparison.Ordinal)).Order(StringComparer.Ordinal).DistinctBy(Path.GetFileName)] : [];
        foreach (string file in files)
        {
            Assembly assembly = Assembly.LoadFrom(file);
            foreach (string name in assembly.GetManifestResourceNames().Where(name => name.EndsWith(".resources", StringComparison.Ordinal)))
            {
                using var reader = new ResourceReader(assembly.GetManifestResourceStream(name)!);
                foreach (DictionaryEntry entry in reader)
                {
                    if (entry.Value is string text && text.Count(c => c is >= '\u4E00' and <= '\u9FFF') > text.Length / 2)
                    {
                        yield return text + "\n";
                    }
                }
            }
        }
    }

    // Documents of a prompt's size, so that neither side works on one huge text.
    private static string[] Cut(IEnumerable<string> parts, int size)
    {
        var documents = new List<string>();
        var document = new StringBuilder();
        int bytes = 0;
        foreach (string part in parts)
        {
            for (int at = 0; at < part.Length && bytes < size;)
            {
                int length = Math.Min(part.Length - at, DocumentChars - document.Length);
                document.Append(part, at, length);
                at += length;
                if (document.Length >= DocumentChars)
                {
                    bytes += Finish();
                }
            }
        }

        if (document.Length > 0 && bytes < size)
        {
            Finish();
        }

        return [.. documents];

        int Finish()
        {
            documents.Add(document.ToString());
            document.Clear();
            return Encoding.UTF8.GetByteCount(documents[^1]);
        }
    }
}
