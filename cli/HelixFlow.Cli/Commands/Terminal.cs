using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Speculation;

namespace HelixFlow.Cli.Commands;

/// <summary>How the model commands write to people and scripts.</summary>
internal static class Terminal
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DictionaryKeyPolicy = null,
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>How arguments are read: <c>@FILE</c> is for the option whose value it is, not for the parser, which would put the file's words in its place.</summary>
    public static ParserConfiguration Parsing => new() { ResponseFileTokenReplacer = null };

    /// <summary>The --data option that several commands share.</summary>
    public static Option<string?> DataOption() => new("--data")
    {
        Description = "The data folder. Default: $HELIXFLOW_DATA, else $XDG_DATA_HOME/helixflow, else ~/.local/share/helixflow",
        HelpName = "DIR",
    };

    /// <summary>The --speculation option that several commands share.</summary>
    public static Option<SpeculationMode> SpeculationOption() => new("--speculation")
    {
        Description = "Guesses at the next tokens, several of which are verified at once: ngram: from what followed before in the text; draft: by a second model; off: none. The output is the same",
        DefaultValueFactory = _ => SpeculationMode.NGram,
        HelpName = "off|ngram|draft",
    };

    /// <summary>The --kv-type option of all commands that run a model.</summary>
    public static Option<KvType> KvTypeOption() => new("--kv-type")
    {
        Description = "How keys and values are stored; q8_0 takes about half of f16's memory",
        DefaultValueFactory = _ => KvType.F16,
        HelpName = "f16|bf16|f32|q8_0",
    };

    public static void WriteJson(TextWriter output, object value) => output.WriteLine(JsonSerializer.Serialize(value, Json));

    /// <summary>Columns separated by two spaces, as wide as their widest cell; the last is not padded.</summary>
    public static void WriteTable(TextWriter output, IReadOnlyList<string[]> rows)
    {
        int columns = rows.Max(static r => r.Length);
        int[] widths = [.. Enumerable.Range(0, columns).Select(c => rows.Max(r => c < r.Length ? r[c].Length : 0))];
        foreach (string[] row in rows)
        {
            var line = new StringBuilder();
            for (int c = 0; c < row.Length; c++)
            {
                line.Append(c < row.Length - 1 ? row[c].PadRight(widths[c] + 2) : row[c]);
            }

            output.WriteLine(line.ToString().TrimEnd());
        }
    }

    /// <summary>A size such as 1.2 GB, in powers of ten as download pages give it.</summary>
    public static string Bytes(double bytes) => Scaled(bytes, ["B", "kB", "MB", "GB", "TB"], " ");

    /// <summary>A count such as 7.6B.</summary>
    public static string Count(long count) => Scaled(count, ["", "K", "M", "B", "T"], "");

    /// <summary>A number of things: 1 job, 12 jobs.</summary>
    public static string Several(long count, string thing) => string.Create(CultureInfo.InvariantCulture, $"{count} {thing}{(count == 1 ? "" : "s")}");

    /// <summary>A time span in its two largest units: 12 ms, 3.4 s, 5 min 20 s, 2 h 5 min, 3 d 4 h.</summary>
    public static string Duration(TimeSpan span) => span switch
    {
        { TotalMilliseconds: < 1000 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0} ms"),
        { TotalSeconds: < 60 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(span.TotalSeconds * 10) / 10:0.0} s"),
        { TotalMinutes: < 60 } => string.Create(CultureInfo.InvariantCulture, $"{span.Minutes} min {span.Seconds} s"),
        { TotalHours: < 24 } => string.Create(CultureInfo.InvariantCulture, $"{span.Hours} h {span.Minutes} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.Days} d {span.Hours} h"),
    };

    /// <summary>Text from a file, without control characters that could steer the terminal, and shortened.</summary>
    public static string Printable(string text, int maxLength = 100)
    {
        var result = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (result.Length >= maxLength)
            {
                return result.Append('…').ToString();
            }

            result.Append(
                rune.Value == '\n' ? "⏎"
                : Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate ? "�"
                : rune.ToString());
        }

        return result.ToString();
    }

    private static string Scaled(double value, ReadOnlySpan<string> units, string separator)
    {
        int unit = 0;
        while (value >= 999.5 && unit < units.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        return value.ToString(unit == 0 || value >= 99.5 ? "0" : "0.0", CultureInfo.InvariantCulture) + separator + units[unit];
    }
}
