using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;
using HelixFlow.Schemas.Agents.V1;
using HelixFlow.Storage;
using Microsoft.Extensions.Logging;
using Claim = HelixFlow.Agents.Journal.Claim;
using EffectClass = HelixFlow.Agents.Journal.EffectClass;
using Lease = HelixFlow.Agents.Journal.Lease;
using LeaseState = HelixFlow.Agents.Journal.LeaseState;
using RunError = HelixFlow.Agents.Journal.RunError;

namespace HelixFlow.Agents.Remote;

/// <summary>The journal of a server, to a worker in another process. Thread-safe.</summary>
/// <remarks>
/// A server that cannot be reached is a <see cref="StorageException"/> of <see cref="StorageFailure.Unavailable"/>, as a database is that cannot: workers keep
/// what they have done and write it when it can be reached again, as long as their leases last. Refusals that no repetition would change are <see cref="RpcException"/>s.
/// </remarks>
/// <param name="invoker">The channel to the server, which sends a worker's key; its messages may be as large as a job's input.</param>
/// <param name="drafts">Where files are kept until the server has them.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Where lost connections are told.</param>
public sealed partial class RemoteJournal(CallInvoker invoker, IBlobStore drafts, TimeProvider time, ILogger<RemoteJournal> logger) : IRunJournal
{
    private const int ChunkBytes = 256 << 10;

    private static readonly TimeSpan _reconnectWait = TimeSpan.FromSeconds(1);

    private readonly Workers.WorkersClient _client = new(invoker);

    /// <inheritdoc />
    public event Action<string>? Ready;

    /// <inheritdoc />
    public event Action<string>? Cancelling;

    /// <summary>Passes the server's hints on until it is cancelled.</summary>
    public async Task FollowAsync(string worker, IEnumerable<string> types, CancellationToken cancellationToken)
    {
        var request = new WatchRequest { Worker = worker, Types_ = { types } };
        bool isLost = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                using AsyncServerStreamingCall<WorkerHint> call = _client.Watch(request, new CallOptions(cancellationToken: cancellationToken));
                while (await call.ResponseStream.MoveNext(cancellationToken).ConfigureAwait(false))
                {
                    isLost = false;
                    Tell(call.ResponseStream.Current);
                }
            }
            catch (RpcException exception) when (!cancellationToken.IsCancellationRequested)
            {
                if (!isLost)
                {
                    Log.Lost(logger, exception.Status.ToString());
                }

                isLost = true;
            }
            catch (Exception exception) when (exception is OperationCanceledException or RpcException)
            {
                return;
            }

            await Task.Delay(_reconnectWait, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <inheritdoc />
    public async Task EnterAsync(WorkerEntry worker, IReadOnlyCollection<JobTypeEntry> types, CancellationToken cancellationToken) => await CallAsync(
        _client.RegisterAsync(
            new RegisterRequest { Worker = worker.Name, Host = worker.Host, Program = worker.Program, Slots = worker.Slots, Types_ = { types.Select(Wire.ToMessage) } },
            new CallOptions(cancellationToken: cancellationToken)),
        cancellationToken).ConfigureAwait(false);

    /// <inheritdoc />
    public async Task<int> LeaveAsync(string worker, CancellationToken cancellationToken) =>
        (await CallAsync(_client.LeaveAsync(new LeaveRequest { Worker = worker }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken).ConfigureAwait(false)).HandedBack;

    /// <inheritdoc />
    public async Task<IReadOnlyList<Claim>> ClaimAsync(string worker, IReadOnlyDictionary<string, int> types, int most, CancellationToken cancellationToken)
    {
        var request = new ClaimRequest { Worker = worker, Most = most, Types_ = { types.Select(static type => new TypeRoom { Type = type.Key, Most = type.Value }) } };

        // Not cancelled under way: what the server gives out meanwhile is worked on, or handed back.
        cancellationToken.ThrowIfCancellationRequested();
        ClaimResponse response = await CallAsync(_client.ClaimAsync(request, default(CallOptions)), CancellationToken.None).ConfigureAwait(false);
        return [.. response.Claims.Select(static claim =>
        {
            Lease lease = claim.Lease.ToLease();
            return new Claim(lease, claim.Run.ToRun(lease), claim.InputJson.IsEmpty ? null : claim.InputJson.ToByteArray());
        })];
    }

    /// <inheritdoc />
    public async Task<LeaseState> ExtendAsync(Lease lease, CancellationToken cancellationToken)
    {
        HeartbeatResponse response = await CallAsync(
            _client.HeartbeatAsync(new HeartbeatRequest { Leases = { lease.ToMessage() } }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken).ConfigureAwait(false);
        return response.States.Count == 1 ? response.States[0].ToState() : LeaseState.Lost;
    }

    /// <inheritdoc />
    public Task<bool> TickAsync(int most, CancellationToken cancellationToken) => Task.FromResult(false);

    /// <inheritdoc />
    public async Task<byte[]> ReadAsync(string reference, CancellationToken cancellationToken)
    {
        if (ValueReference.ValueOf(reference) is { } small)
        {
            return small;
        }

        using AsyncServerStreamingCall<ValueChunk> call = _client.ReadValue(new ReadValueRequest { Hash = reference }, new CallOptions(cancellationToken: cancellationToken));
        using var value = new MemoryStream();
        await foreach (ValueChunk chunk in ReadAllAsync(call.ResponseStream, cancellationToken).ConfigureAwait(false))
        {
            chunk.Content.WriteTo(value);
        }

        return value.ToArray();
    }

    /// <inheritdoc />
    public async Task<Dictionary<string, StepRecord>> LoadStepsAsync(Lease lease, CancellationToken cancellationToken)
    {
        using AsyncServerStreamingCall<RecordedStep> call = _client.LoadSteps(new LoadStepsRequest { Lease = lease.ToMessage() }, new CallOptions(cancellationToken: cancellationToken));
        var steps = new Dictionary<string, StepRecord>(StringComparer.Ordinal);
        await foreach (RecordedStep step in ReadAllAsync(call.ResponseStream, cancellationToken).ConfigureAwait(false))
        {
            steps[step.Address] = step.ToStep();
        }

        return steps;
    }

    /// <inheritdoc />
    public async Task<string?> FindCachedAsync(string ns, string digest, CancellationToken cancellationToken) => Wire.Text((await CallAsync(
        _client.FindCachedAsync(new FindCachedRequest { Project = ns, Digest = digest }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken).ConfigureAwait(false)).Output);

    /// <inheritdoc />
    public Task<bool> BeginStepAsync(Lease lease, string address, string digest, EffectClass effect, CancellationToken cancellationToken) => WriteAsync(
        _client.BeginStepAsync(new BeginStepRequest { Lease = lease.ToMessage(), Address = address, Digest = digest, Effect = effect.ToMessage() }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc />
    public Task<bool> RecordStepAsync(Lease lease, StepRecord step, byte[] output, (string Namespace, long ExpiresAt)? cacheFor, CancellationToken cancellationToken) => WriteAsync(
        _client.PutStepAsync(
            new PutStepRequest
            {
                Lease = lease.ToMessage(),
                Address = step.Address,
                Digest = step.Digest,
                Effect = step.Class.ToMessage(),
                OutputJson = UnsafeByteOperations.UnsafeWrap(output),
                StartedAt = step.StartedAt,
                Usage = step.Usage?.ToMessage(),
            },
            new CallOptions(cancellationToken: cancellationToken)),
        cancellationToken);

    /// <inheritdoc />
    public Task<bool> AdoptStepsAsync(Lease lease, IReadOnlyList<StepRecord> steps, CancellationToken cancellationToken) => WriteAsync(
        _client.AdoptStepsAsync(
            new AdoptStepsRequest { Lease = lease.ToMessage(), Steps = { steps.Select(static step => (step with { Content = null }).ToMessage()) } }, new CallOptions(cancellationToken: cancellationToken)),
        cancellationToken);

    /// <inheritdoc />
    public Task<ContentDraft> DraftAsync(Stream content, long maxBytes, CancellationToken cancellationToken) =>
        ContentDraft.ReadAsync(drafts, content, Wire.InlineBytes, maxBytes, cancellationToken);

    /// <inheritdoc />
    public async Task<bool> RecordArtifactAsync(Lease lease, StepRecord step, Artifact file, ContentDraft content, CancellationToken cancellationToken)
    {
        using AsyncClientStreamingCall<ArtifactPart, PutArtifactResponse> call = _client.PutArtifact(cancellationToken: cancellationToken);
        try
        {
            await call.RequestStream.WriteAsync(
                new ArtifactPart { Header = new ArtifactHeader { Lease = lease.ToMessage(), Name = file.Name, ContentType = file.ContentType } }, cancellationToken).ConfigureAwait(false);
            await using Stream source = content.Open();
            byte[] chunk = new byte[ChunkBytes];
            for (int read; (read = await source.ReadAsync(chunk, cancellationToken).ConfigureAwait(false)) > 0;)
            {
                await call.RequestStream.WriteAsync(new ArtifactPart { Content = ByteString.CopyFrom(chunk, 0, read) }, cancellationToken).ConfigureAwait(false);
            }

            await call.RequestStream.CompleteAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException)
        {
            // The server has answered before it had all: its answer says why.
        }

        try
        {
            await call.ResponseAsync.ConfigureAwait(false);
            return true;
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.Aborted)
        {
            return false;
        }
        catch (RpcException exception) when (Translated(exception, cancellationToken) is { } other)
        {
            throw other;
        }
    }

    /// <inheritdoc />
    public async Task<FoundValue?> FindValueAsync(string project, string id, string hash, CancellationToken cancellationToken)
    {
        FindValueResponse found = await CallAsync(
            _client.FindValueAsync(new FindValueRequest { Project = project, RunId = id, Hash = hash }, cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
        return found.HasLength ? new FoundValue(found.Length, found.IsJson) : null;
    }

    /// <inheritdoc />
    public async Task<Artifact?> FindArtifactAsync(string project, string id, string name, CancellationToken cancellationToken)
    {
        FindArtifactResponse found = await CallAsync(
            _client.FindArtifactAsync(new FindArtifactRequest { Project = project, RunId = id, Name = name }, cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
        return found.Hash.Length > 0 ? new Artifact(name, found.Hash, found.Length, found.ContentType, found.CreatedAt) : null;
    }

    /// <inheritdoc />
    public Task<bool> FailStepAsync(Lease lease, string address, string digest, RunError error, CancellationToken cancellationToken) => WriteAsync(
        _client.FailStepAsync(new FailStepRequest { Lease = lease.ToMessage(), Address = address, Digest = digest, Error = error.ToMessage() }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc />
    public Task<bool> ProgressAsync(Lease lease, int percent, string? message, ReadOnlyMemory<byte>? partial, CancellationToken cancellationToken) => WriteAsync(
        _client.ReportProgressAsync(
            new ReportProgressRequest
            {
                Lease = lease.ToMessage(),
                Percent = percent,
                Message = message ?? "",
                PartialJson = partial is { } json ? UnsafeByteOperations.UnsafeWrap(json) : ByteString.Empty,
            },
            new CallOptions(cancellationToken: cancellationToken)),
        cancellationToken);

    /// <inheritdoc />
    public async Task<string?> TakeSignalAsync(Lease lease, string name, string address, CancellationToken cancellationToken)
    {
        var request = new TakeSignalRequest { Lease = lease.ToMessage(), Name = name, Address = address };
        try
        {
            TakeSignalResponse response = await CallAsync(_client.TakeSignalAsync(request, cancellationToken: cancellationToken), cancellationToken).ConfigureAwait(false);
            return response.HasBodyJson ? response.BodyJson.ToStringUtf8() : null;
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.Aborted)
        {
            return null; // as the journal says it; the next write finds that the lease is lost
        }
    }

    /// <inheritdoc />
    public async Task<string?> AskAsync(Lease lease, string address, string signal, JsonElement question, QuestionExpiry? expiry, CancellationToken cancellationToken)
    {
        var request = new AskRequest
        {
            Lease = lease.ToMessage(),
            Address = address,
            Signal = signal,
            QuestionJson = ByteString.CopyFromUtf8(question.GetRawText()),
            ExpiresMs = expiry is null ? 0 : Math.Max(1, (long)expiry.After.TotalMilliseconds),
            FailsOnExpiry = expiry is { Fails: true },
        };
        try
        {
            return (await CallAsync(_client.AskAsync(request, new CallOptions(cancellationToken: cancellationToken)), cancellationToken).ConfigureAwait(false)).Signal;
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.Aborted)
        {
            return null;
        }
    }

    /// <inheritdoc />
    public Task<bool> SuspendAsync(Lease lease, RunWait wait, CancellationToken cancellationToken)
    {
        var request = new SuspendRequest { Lease = lease.ToMessage(), Signals = { wait.Signals }, Runs = { wait.Runs }, AnyRun = wait.IsAnyEnough };
        if (wait.Until is { } time)
        {
            request.Until = time;
        }

        return WriteAsync(_client.SuspendAsync(request, new CallOptions(cancellationToken: cancellationToken)), cancellationToken);
    }

    /// <inheritdoc />
    public Task<bool> SucceedAsync(Lease lease, ReadOnlyMemory<byte> output, CancellationToken cancellationToken) => WriteAsync(
        _client.CompleteAsync(new CompleteRequest { Lease = lease.ToMessage(), OutputJson = UnsafeByteOperations.UnsafeWrap(output) }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc />
    public Task<bool> FailAsync(Lease lease, RunError error, bool isFinal, CancellationToken cancellationToken) => WriteAsync(
        _client.FailAsync(new FailRequest { Lease = lease.ToMessage(), Error = error.ToMessage(), IsFinal = isFinal }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc />
    public Task<bool> CancelledAsync(Lease lease, CancellationToken cancellationToken) => WriteAsync(
        _client.CancelledAsync(new CancelledRequest { Lease = lease.ToMessage() }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc />
    public Task<bool> ReleaseAsync(Lease lease, CancellationToken cancellationToken) => WriteAsync(
        _client.HandBackAsync(new HandBackRequest { Lease = lease.ToMessage() }, new CallOptions(cancellationToken: cancellationToken)), cancellationToken);

    /// <inheritdoc />
    public async Task<RunStart> RequestAsync(RunRequest request, CancellationToken cancellationToken)
    {
        var message = new RequestChildRequest
        {
            Parent = request.Parent ?? throw new ArgumentException("A worker asks for runs on behalf of the run that it does.", nameof(request)),
            Project = request.Project,
            Address = request.ParentAddress ?? "",
            Type = request.Type,
            InputJson = ByteString.CopyFrom(request.Input.Span),
            Priority = request.Priority.ToMessage(),
            Options = request.Options.ToMessage(),
            DependsOn = { request.DependsOn },
            NotBefore = request.NotBefore,
            ForkOf = request.ForkOf ?? "",
            ForkFrom = request.ForkFrom ?? "",
            Key = request.Key ?? "",
        };
        if (request.Labels is not null)
        {
            message.Labels.Add(request.Labels.ToDictionary());
        }

        RequestChildResponse response = await CallAsync(_client.RequestChildAsync(message, new CallOptions(cancellationToken: cancellationToken)), cancellationToken).ConfigureAwait(false);
        return new RunStart((RunStartKind)((int)response.Outcome - 1), response.Run?.ToRun(null), Wire.Text(response.Unknown));
    }

    private void Tell(WorkerHint hint)
    {
        switch (hint.HintCase)
        {
            case WorkerHint.HintOneofCase.ReadyType:
                Ready?.Invoke(hint.ReadyType);
                break;
            case WorkerHint.HintOneofCase.CancellingRun:
                Cancelling?.Invoke(hint.CancellingRun);
                break;
        }
    }

    /// <summary>A write under a lease; false when it is lost.</summary>
    private static async Task<bool> WriteAsync<T>(AsyncUnaryCall<T> call, CancellationToken cancellationToken)
    {
        try
        {
            await CallAsync(call, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.Aborted)
        {
            return false;
        }
    }

    private static async Task<T> CallAsync<T>(AsyncUnaryCall<T> call, CancellationToken cancellationToken)
    {
        using (call)
        {
            try
            {
                return await call.ResponseAsync.ConfigureAwait(false);
            }
            catch (RpcException exception) when (Translated(exception, cancellationToken) is { } other)
            {
                throw other;
            }
        }
    }

    private static async IAsyncEnumerable<T> ReadAllAsync<T>(
        IAsyncStreamReader<T> stream, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                if (!await stream.MoveNext(cancellationToken).ConfigureAwait(false))
                {
                    yield break;
                }
            }
            catch (RpcException exception) when (Translated(exception, cancellationToken) is { } other)
            {
                throw other;
            }

            yield return stream.Current;
        }
    }

    /// <summary>What the journal itself would have thrown; null for what only a connection has.</summary>
    private static Exception? Translated(RpcException exception, CancellationToken cancellationToken) => exception.StatusCode switch
    {
        _ when cancellationToken.IsCancellationRequested => new OperationCanceledException(exception.Message, exception, cancellationToken),
        StatusCode.Unavailable or StatusCode.DeadlineExceeded => new StorageException(StorageFailure.Unavailable, exception.Status.Detail, exception),
        StatusCode.InvalidArgument => new FormatException(exception.Status.Detail, exception),
        StatusCode.NotFound when WorkerStatus.ReasonOf(exception) == WorkerStatus.UnknownValue => new KeyNotFoundException(exception.Status.Detail, exception),
        _ => null,
    };

    private static partial class Log
    {
        [LoggerMessage(7022, LogLevel.Warning, "The server gives no hints ({Status}); runs are looked for now and then until it can be reached again.")]
        public static partial void Lost(ILogger logger, string status);
    }
}
