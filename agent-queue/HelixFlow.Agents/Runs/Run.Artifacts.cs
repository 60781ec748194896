using System.Text;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Runs;

public sealed partial class Run
{
    /// <summary>The largest artifact. Bytes.</summary>
    public const long MaxArtifactBytes = 16L << 30;

    /// <summary>Keeps a file that the run has made, under a name that clients ask for. A step: it is durable when the task completes, and kept once.</summary>
    /// <param name="name">Its name, used once in the run; a file name without folders.</param>
    /// <param name="content">The same each time that the code runs.</param>
    /// <param name="contentType">A media type, for example <c>image/svg+xml</c>.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="ArgumentException">The name is none.</exception>
    /// <exception cref="LeaseLostException">The run is another worker's now.</exception>
    /// <exception cref="ReplayMismatchException">The file of this name had another content when the code ran before.</exception>
    public Task<Artifact> ArtifactAsync(string name, ReadOnlyMemory<byte> content, string contentType, CancellationToken cancellationToken) =>
        ArtifactAsync(name, new MemoryStream(content.ToArray(), writable: false), contentType, cancellationToken);

    /// <inheritdoc cref="ArtifactAsync(string, ReadOnlyMemory{byte}, string, CancellationToken)" />
    /// <remarks>The stream is read to its end, never held in memory as a whole, also when the file is kept already: only then it is known to be the same.</remarks>
    public Task<Artifact> ArtifactAsync(string name, Stream content, string contentType, CancellationToken cancellationToken) =>
        ArtifactAsync(name, content, contentType, MaxArtifactBytes, cancellationToken);

    /// <summary>As the other one, of at most so many bytes.</summary>
    internal async Task<Artifact> ArtifactAsync(string name, Stream content, string contentType, long maxBytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!Journal.Journal.IsArtifactName(name))
        {
            throw new ArgumentException($"'{name}' cannot name an artifact: a file name of at most 200 characters is wanted, without folders.", nameof(name));
        }

        string address = AddressOf(name);
        Claim(address);
        using (_gate.Enter())
        {
            using ContentDraft draft = await _journal.DraftAsync(content, maxBytes, cancellationToken).ConfigureAwait(false);
            var file = new Artifact(name, draft.Hash, draft.Length, contentType, JournalNow);
            string digest = DigestOf(name, draft.Hash, contentType, Record.Project);
            if (_rehearsal is not null)
            {
                _rehearsal.Artifact(address, digest);
                return file;
            }

            StepRecord? known = Known(address, "artifact", digest);
            if (known is null or { Source: StepSource.Fork })
            {
                var step = new StepRecord(address, digest, EffectClass.Idempotent, StepState.Succeeded, null, known?.Source ?? StepSource.Executed, JournalNow, 0);
                await WriteAsync(token => _journal.RecordArtifactAsync(_lease, step, file, draft, token), _held).ConfigureAwait(false);
            }

            return file;
        }
    }

    /// <summary>The place in the run of the step that keeps a file.</summary>
    internal static string AddressOf(string name) => $"artifact/{name}";

    /// <summary>What the step that keeps a file does.</summary>
    internal static string DigestOf(string name, string hash, string contentType, string project) => new ActionDigest(
        "artifact", 1, new Dictionary<string, string> { ["content"] = hash, ["content_type"] = contentType, ["name"] = name }, "", project).Hash();

    /// <summary>Reads a file that the run's input names, or that the run has made.</summary>
    /// <param name="hash">Its hash.</param>
    /// <param name="maxBytes">The most that it may hold.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="JobFailedException">The run has no such file, or it is larger.</exception>
    public Task<byte[]> ReadArtifactAsync(string hash, long maxBytes, CancellationToken cancellationToken) =>
        _rehearsal is not null && ArtifactReference.In(Encoding.UTF8.GetBytes(Input.GetRawText())).Contains(hash)
            ? ReadAsync(hash, cancellationToken) // no run keeps it yet; whoever asks has checked that the project has it
            : ReadArtifactAsync(Record.Id, hash, maxBytes, cancellationToken);

    /// <summary>Finds a file by the name that this run, or one of its children, has given it; null when there is none.</summary>
    /// <param name="run">The id of the run that has made it.</param>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task<Artifact?> FindArtifactAsync(string run, string name, CancellationToken cancellationToken) =>
        StoragePatience.RepeatAsync(token => _journal.FindArtifactAsync(Record.Project, run, name, token), _time, cancellationToken);

    /// <summary>Reads a file that a child has made or was given.</summary>
    /// <param name="run">The child's id.</param>
    /// <param name="hash">The file's hash.</param>
    /// <param name="maxBytes">The most that it may hold.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="JobFailedException">The child has no such file, or it is larger.</exception>
    public async Task<byte[]> ReadArtifactAsync(string run, string hash, long maxBytes, CancellationToken cancellationToken)
    {
        FoundValue? found = BlobKey.IsHash(hash)
            ? await StoragePatience.RepeatAsync(token => _journal.FindValueAsync(Record.Project, run, hash, token), _time, cancellationToken).ConfigureAwait(false)
            : null;
        return found is null ? throw new JobFailedException("unknown_artifact", $"The run {run} has no file {hash}.")
            : found.Length > maxBytes ? throw new JobFailedException("artifact_too_large", $"The file {hash} has {found.Length} bytes; at most {maxBytes} can be read.")
            : await ReadAsync(hash, cancellationToken).ConfigureAwait(false);
    }
}
