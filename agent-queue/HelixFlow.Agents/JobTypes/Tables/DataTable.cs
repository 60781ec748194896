using System.Text.Json;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Tables;

/// <summary>A table whose cells are texts; null where there is nothing. Immutable once read.</summary>
/// <param name="Names">The columns' names, each once.</param>
/// <param name="Rows">The rows; each has as many cells as there are columns.</param>
internal sealed record DataTable(IReadOnlyList<string> Names, IReadOnlyList<string?[]> Rows)
{
    public const int MostColumns = 256;
    private const int MostCells = 5_000_000;

    /// <exception cref="JobFailedException">The data is not what its format says; the message names the place.</exception>
    public static DataTable Read(TableInput input) => input.Format switch
    {
        "json" => FromObjects(Parsed(input.Data.ValueKind == JsonValueKind.String ? input.Data.GetString()! : input.Data.GetRawText(), "The data")),
        "jsonl" => FromObjects(Lines(Text(input))),
        _ => FromCsv(Text(input), input.Delimiter, input.Header),
    };

    /// <summary>The cells of a column.</summary>
    public IEnumerable<string?> Column(int index) => Rows.Select(row => row[index]);

    private static string Text(TableInput input) => input.Data.ValueKind == JsonValueKind.String
        ? input.Data.GetString()!
        : throw Wrong($"Data in the format '{input.Format}' is a text.");

    private static DataTable FromCsv(string text, string? delimiter, bool header)
    {
        List<string[]> records = CsvReader.Read(text, delimiter is null ? CsvReader.DelimiterOf(text) : delimiter[0]);
        if (records.Count <= (header ? 1 : 0))
        {
            throw Wrong("The data has no rows.");
        }

        int columns = records[0].Length;
        Check(columns, records.Count);
        int wrong = records.FindIndex(record => record.Length != columns);
        if (wrong >= 0)
        {
            throw Wrong($"Record {wrong + 1} has {records[wrong].Length} fields, and the first one has {columns}.");
        }

        string[] names = header ? Unique(records[0]) : [.. Enumerable.Range(1, columns).Select(static i => $"column {i}")];
        return new DataTable(names, [.. records.Skip(header ? 1 : 0).Select(static record => Array.ConvertAll(record, static field => field.Trim() is { Length: > 0 } text ? text : null))]);
    }

    private static DataTable FromObjects(IEnumerable<JsonElement> rows)
    {
        var names = new List<string>();
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        var objects = new List<JsonElement>();
        foreach (JsonElement row in rows)
        {
            if (row.ValueKind != JsonValueKind.Object)
            {
                throw Wrong($"Row {objects.Count + 1} is no JSON object.");
            }

            objects.Add(row);
            foreach (JsonProperty cell in row.EnumerateObject().Where(cell => !places.ContainsKey(cell.Name)))
            {
                places.Add(cell.Name, names.Count);
                names.Add(cell.Name);
            }

            Check(names.Count, objects.Count);
        }

        return objects.Count == 0 ? throw Wrong("The data has no rows.") : new DataTable(names, [.. objects.Select(row =>
        {
            string?[] cells = new string?[names.Count];
            foreach (JsonProperty cell in row.EnumerateObject())
            {
                cells[places[cell.Name]] = cell.Value.ValueKind switch
                {
                    JsonValueKind.Null => null,
                    JsonValueKind.String => cell.Value.GetString() is { Length: > 0 } text ? text : null,
                    _ => cell.Value.GetRawText(),
                };
            }

            return cells;
        })]);
    }

    private static IEnumerable<JsonElement> Lines(string text)
    {
        int number = 0;
        foreach (string line in text.Split('\n'))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
            {
                yield return Value(line, $"Line {number}");
            }
        }
    }

    private static JsonElement.ArrayEnumerator Parsed(string text, string what)
    {
        JsonElement value = Value(text, what);
        return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw Wrong("The data must be a JSON array of objects, one per row.");
    }

    private static JsonElement Value(string text, string what)
    {
        try
        {
            return JsonElement.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException exception)
        {
            throw Wrong($"{what} is no JSON: {exception.Message}");
        }
    }

    private static string[] Unique(string[] names)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        string[] unique = new string[names.Length];
        for (int i = 0; i < names.Length; i++)
        {
            string name = names[i].Trim() is { Length: > 0 } given ? given : $"column {i + 1}";
            for (int n = 2; !used.Add(unique[i] = name); n++)
            {
                name = $"{names[i].Trim()} ({n})";
            }
        }

        return unique;
    }

    private static void Check(int columns, int rows)
    {
        if (columns > MostColumns || (long)columns * rows > MostCells)
        {
            throw Wrong($"The table is too large: at most {MostColumns} columns and {MostCells} cells are analysed.");
        }
    }

    private static JobFailedException Wrong(string message) => new("invalid_data", message);
}
