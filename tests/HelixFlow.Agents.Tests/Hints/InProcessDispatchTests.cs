using HelixFlow.Agents.Hints;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Hints;

/// <summary>Within one process, on files: all share one journal.</summary>
public sealed class InProcessDispatchTests : DispatchTests, IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-dispatch-").FullName;
    private readonly SqliteDatabase _database;
    private readonly Agents.Journal.Journal _journal;

    public InProcessDispatchTests()
    {
        _database = SqliteDatabase.Open(Path.Combine(_folder, "agents.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/agents"));
        _journal = new Agents.Journal.Journal(_database, new BlobFolder(Path.Combine(_folder, "blobs")), TimeProvider.System, new JournalOptions());
    }

    internal override DispatchProcess Open() => new(_journal, null);

    internal override Task UntilListeningAsync(string type, params DispatchProcess[] processes) => Task.CompletedTask;

    internal override Task TellAsync(params JournalHint[] hints)
    {
        Array.ForEach(hints, _journal.Hear);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
