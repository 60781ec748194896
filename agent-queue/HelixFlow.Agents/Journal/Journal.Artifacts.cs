using System.Data.Common;
using System.Text.Json;
using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Journal;

/// <summary>A file that a run has made, or that a project has brought.</summary>
/// <param name="Name">Its name within the run; of a file that was brought, its hash.</param>
/// <param name="Hash">SHA-256 of its bytes.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="ContentType">A media type, for example <c>image/svg+xml</c>.</param>
/// <param name="CreatedAt">Milliseconds since 1970.</param>
public sealed record Artifact(string Name, string Hash, long Length, string ContentType, long CreatedAt);

/// <summary>A value that a run reaches.</summary>
/// <param name="Length">Its length in bytes.</param>
/// <param name="IsJson">Whether it is JSON, not a file.</param>
public sealed record FoundValue(long Length, bool IsJson);

public sealed partial class Journal
{
    private const int LongestName = 200;
    private const string ArtifactColumns = "name, hash, length, content_type, created_at";

    /// <summary>Whether a text may be the name of an artifact: a name of a file without folders, in any script.</summary>
    public static bool IsArtifactName(string name) =>
        name.Length is > 0 and <= LongestName && name[0] != '.' && !name.Any(static c => char.IsControl(c) || char.IsSurrogate(c) || c is '/' or '\\' or ':' or '"');

    /// <summary>The files that a run has made, by name; empty when the project has no such run.</summary>
    public Task<List<Artifact>> ArtifactsAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is { } run
            ? session.Query($"select {ArtifactColumns} from artifacts where run = $1 order by name", ReadArtifact, run.Number)
            : [],
        cancellationToken);

    /// <summary>A file that a run has made, by its name; null when there is none.</summary>
    public Task<Artifact?> FindArtifactAsync(string project, string id, string name, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is { } run
            ? session.First($"select {ArtifactColumns} from artifacts where run = $1 and name = $2", ReadArtifact, run.Number, name)
            : null,
        cancellationToken);

    /// <summary>Takes a file for inputs of the project's runs, which name it by its hash.</summary>
    /// <exception cref="StorageException">It is larger than allowed, or there is no room for it.</exception>
    public async Task<Artifact> UploadAsync(string project, Stream content, string contentType, long maxBytes, CancellationToken cancellationToken)
    {
        using ContentDraft draft = await DraftAsync(content, maxBytes, cancellationToken).ConfigureAwait(false);
        StoredValue value = await StoreAsync(draft, cancellationToken).ConfigureAwait(false);
        return await WriteAsync(
            change =>
            {
                Keep(change, value);
                change.Session.Post(
                    """
                    insert into uploads (project, hash, length, content_type, created_at) values ($1, $2, $3, $4, $5)
                    on conflict (project, hash) do update set content_type = $4, created_at = $5
                    """,
                    project, value.Reference, value.Length, contentType, change.Now);
                return new Artifact(value.Reference, value.Reference, value.Length, contentType, change.Now);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A file that a project has brought and that was not removed since; null when there is none.</summary>
    public Task<Artifact?> FindUploadAsync(string project, string hash, CancellationToken cancellationToken) => database.ReadAsync(
        session => session.First(
            "select hash, hash, length, content_type, created_at from uploads where project = $1 and hash = $2", ReadArtifact, project, hash),
        cancellationToken);

    /// <summary>The first of the files that an input names and that the project does not have; null when it has all.</summary>
    public Task<string?> FindMissingFileAsync(string project, ReadOnlyMemory<byte> input, CancellationToken cancellationToken)
    {
        HashSet<string> files = ArtifactReference.In(input.Span);
        return files.Count == 0 ? Task.FromResult<string?>(null) : database.ReadAsync(session => MissingFile(session, project, files), cancellationToken);
    }

    /// <summary>A value that a run has made or was given; null when the run does not reach it, whoever else may.</summary>
    public Task<FoundValue?> FindValueAsync(string project, string id, string hash, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is { } run
            ? session.First(
                """
                select length, case when exists (select 1 from kept where run = $1 and hash = $2 and is_file = 0)
                    or exists (select 1 from steps where run = $1 and output = $2 and substr(output, 1, 1) <> '=')
                    or exists (select 1 from runs where number = $1 and (input = $2 or output = $2)) then 1
                  when exists (select 1 from kept where run = $1 and hash = $2) or exists (select 1 from artifacts where run = $1 and hash = $2) then 2 else 0 end
                from blobs where hash = $2
                """,
                static row => row.GetInt64(1) == 0 ? null : new FoundValue(row.GetInt64(0), row.GetInt64(1) == 1), run.Number, hash)
            : null,
        cancellationToken);

    /// <summary>Reads content to its end, so that it has an address.</summary>
    public Task<ContentDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken) =>
        ContentDraft.ReadAsync(blobs, content, options.InlineBytes, maxBytes, cancellationToken);

    /// <summary>Records a file that a step has made, with the step. False when the lease is lost: then nothing was written.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="step">The step; its output is set here.</param>
    /// <param name="file">The file; its time is set here.</param>
    /// <param name="content">Its content.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public async Task<bool> RecordArtifactAsync(Lease lease, StepRecord step, Artifact file, ContentDraft content, CancellationToken cancellationToken)
    {
        StoredValue value = await StoreAsync(content, cancellationToken).ConfigureAwait(false);
        byte[] described = JsonSerializer.SerializeToUtf8Bytes(file with { CreatedAt = 0 }, ArtifactJson.Default.Artifact);
        StoredValue output = await StoreAsync(CanonicalOf(described), cancellationToken).ConfigureAwait(false);
        return await ChangeAsync(
            lease,
            (change, run) =>
            {
                if (Record(change, run, step, output, output.Reference, null))
                {
                    Keep(change, value);
                    change.Append(run, new JournalEvent.ArtifactStored(file.Name, file.Hash, file.Length, file.ContentType));
                    change.Session.Post(
                        """
                        insert into artifacts (run, name, hash, length, content_type, created_at) values ($1, $2, $3, $4, $5, $6)
                        on conflict (run, name) do update set hash = $3, length = $4, content_type = $5, created_at = $6
                        """,
                        run.Number, file.Name, file.Hash, file.Length, file.ContentType, change.Now);
                }

                change.Save(run);
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>As the other one, before a run begins to refer to them: they are touched, so that no collection takes one at this moment.</summary>
    private static string? MissingFile(Change change, string project, HashSet<string> files) => MissingFile(change.Session, project, files)
        ?? files.FirstOrDefault(hash => change.Session.Execute("update blobs set touched_at = $2 where hash = $1", hash, change.Now) == 0);

    private static string? MissingFile(SqlSession session, string project, HashSet<string> files) => files.FirstOrDefault(hash => session.Number(
        """
        select case when exists (select 1 from uploads where project = $1 and hash = $2)
          or exists (select 1 from artifacts, runs where hash = $2 and number = run and project = $1)
          or exists (select 1 from kept, runs where hash = $2 and number = run and project = $1)
          or exists (select 1 from schedule_files, schedules where hash = $2 and id = schedule and project = $1) then 1 else 0 end
        """,
        project, hash) == 0);

    /// <summary>Notes that a run refers to a value which its row and its steps do not name.</summary>
    private static void KeepFor(Change change, RunRecord run, string reference, bool isFile)
    {
        if (!ValueReference.IsValue(reference))
        {
            change.Session.Post("insert into kept (run, hash, is_file) values ($1, $2, $3) on conflict (run, hash) do nothing", run.Number, reference, isFile);
        }
    }

    private static void KeepFilesFor(Change change, RunRecord run, HashSet<string> files)
    {
        foreach (string hash in files)
        {
            KeepFor(change, run, hash, isFile: true);
        }
    }

    private static Artifact ReadArtifact(DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetInt64(2), row.GetString(3), row.GetInt64(4));
}

[System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.SnakeCaseLower)]
[System.Text.Json.Serialization.JsonSerializable(typeof(Artifact))]
internal sealed partial class ArtifactJson : System.Text.Json.Serialization.JsonSerializerContext;
