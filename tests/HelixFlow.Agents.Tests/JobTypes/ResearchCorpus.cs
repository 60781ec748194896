using System.Globalization;
using HelixFlow.Agents.Searching;
using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.JobTypes;

/// <summary>A folder of 240 pages in three formats, each about a town that does not exist, with facts that are known.</summary>
internal sealed class ResearchCorpus : IAsyncDisposable
{
    public const int Towns = 240;

    private static readonly string[] _starts = ["Ar", "Bel", "Cor", "Dun", "El", "Far", "Gal", "Hol", "Is", "Jor", "Kel", "Lor", "Mor", "Nor", "Ost"];
    private static readonly string[] _ends = ["vale", "mouth", "wick", "stead", "ford", "minster", "haven", "bridge", "field", "gate", "moor", "port", "cliff", "thorpe", "ness", "combe"];

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-corpus-").FullName;
    private readonly SqliteDatabase _database;

    public ResearchCorpus()
    {
        string pages = Directory.CreateDirectory(Path.Combine(_folder, "pages")).FullName;
        for (int i = 0; i < Towns; i++)
        {
            (string extension, string text) = Page(i);
            File.WriteAllText(Path.Combine(pages, Name(i).ToLowerInvariant() + extension), text);
        }

        _database = SqliteDatabase.Open(Path.Combine(_folder, "research.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/research"));
        Search = new FolderSearch(_database, new FolderOptions { Folder = pages }, TimeProvider.System);
    }

    public FolderSearch Search { get; }

    public static string Name(int town) => _starts[town % _starts.Length] + _ends[town / _starts.Length];

    /// <summary>The fact that only this town's page states.</summary>
    public static string Fact(int town) => string.Create(CultureInfo.InvariantCulture, $"The river of {Name(town)} is crossed by {3 + (town * 7 % 90)} bridges.");

    public async ValueTask DisposeAsync()
    {
        Search.Dispose();
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static (string Extension, string Text) Page(int town)
    {
        string name = Name(town), neighbour = Name((town + 1) % Towns);
        string[] sentences =
        [
            string.Create(CultureInfo.InvariantCulture, $"{name} is a town of {1000 + (town * 137)} people."),
            $"It lies east of {neighbour}, and a road leads there.",
            string.Create(CultureInfo.InvariantCulture, $"Its market was first held in {1200 + (town * 3)}."),
            Fact(town),
            $"Visitors come to {name} for its bread, which is baked in stone ovens.",
        ];
        return (town % 3) switch
        {
            0 => (".md", $"# {name}\n\n{sentences[0]} {sentences[1]}\n\n- {sentences[2]}\n- {sentences[3]}\n\n{sentences[4]}\n"),
            1 => (".html", $"<!doctype html><html><head><title>{name}</title><style>p {{ color: red }}</style></head><body><nav><a href=\"/\">Home</a></nav>" +
                $"<h1>{name}</h1><p>{sentences[0]} {sentences[1]}</p><p>{sentences[2]}\n  {sentences[3].Replace(" bridges", " <b>bridges</b>", StringComparison.Ordinal)}</p><p>{sentences[4]}</p></body></html>"),
            _ => (".txt", $"{name}\n\n{string.Join(' ', sentences)}\n"),
        };
    }
}
