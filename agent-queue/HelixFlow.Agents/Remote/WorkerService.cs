using System.Text.Json;
using Grpc.Core;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas.Agents.V1;
using HelixFlow.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Claim = HelixFlow.Agents.Journal.Claim;
using Lease = HelixFlow.Agents.Journal.Lease;
using LeaseState = HelixFlow.Agents.Journal.LeaseState;

namespace HelixFlow.Agents.Remote;

/// <summary>The journal, to workers in other processes: each call is one operation of it, with the same guarantees. Thread-safe.</summary>
internal sealed partial class WorkerService(
    Journal.Journal journal, WorkerGuard guard, CatalogFollower catalog, IHostApplicationLifetime host, TimeProvider time, ILogger<WorkerService> logger) : Workers.WorkersBase
{
    private const int LongestName = 200;
    private const int MostTypes = 1000;
    private const int MostLeases = 10_000;
    private const int LongestWaitMs = 60_000;

    // Hints may be lost, and other gateways on the same database give none.
    private static readonly TimeSpan _pollInterval = TimeSpan.FromSeconds(1);

    public override Task<RegisterResponse> Register(RegisterRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        CheckName(request.Worker, "worker");
        var types = new List<JobTypeEntry>();
        foreach (JobType type in request.Types_.Count <= MostTypes ? request.Types_ : throw WorkerStatus.Wrong("types", $"A worker may have {MostTypes} types at most."))
        {
            CheckName(type.Name, "types.name");
            var entry = new JobTypeEntry(type.Name, type.Description, Schema(type.InputSchemaJson), Schema(type.OutputSchemaJson), type.Options is null ? null : type.Options.ToOptions());
            try
            {
                _ = JobCatalog.Read(entry);
            }
            catch (ArgumentException exception)
            {
                throw WorkerStatus.Wrong("types", exception.Message);
            }

            types.Add(entry);
        }

        var worker = new WorkerEntry(request.Worker, request.Host, request.Program, request.Slots, [.. types.Select(static type => type.Name).Order(StringComparer.Ordinal)]) { Project = access.Project };
        await journal.EnterAsync(worker, types, token).ConfigureAwait(false);
        await catalog.RefreshAsync(token).ConfigureAwait(false); // the types can be asked for when the worker has its answer
        return new RegisterResponse { AgainAfterMs = (long)Journal.Journal.EntryInterval.TotalMilliseconds };
    });

    public override Task<LeaveResponse> Leave(LeaveRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        CheckName(request.Worker, "worker");
        return new LeaveResponse { HandedBack = await journal.LeaveAsync(request.Worker, access.Project, token).ConfigureAwait(false) };
    });

    public override async Task Watch(WatchRequest request, IServerStreamWriter<WorkerHint> responseStream, ServerCallContext context)
    {
        WorkerAccess access = await guard.CheckAsync(context).ConfigureAwait(false);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, host.ApplicationStopping);
        using var hints = new HintBuffer(journal, request.Types_);
        try
        {
            await responseStream.WriteAsync(new WorkerHint { ReadyType = "" }, ending.Token).ConfigureAwait(false); // whatever became ready before
            while (true)
            {
                foreach (WorkerHint hint in await hints.TakeAsync(ending.Token).ConfigureAwait(false))
                {
                    if (access.Project is not { } project || !hint.HasCancellingRun || await journal.GetAsync(project, hint.CancellingRun, ending.Token).ConfigureAwait(false) is not null)
                    {
                        await responseStream.WriteAsync(hint, ending.Token).ConfigureAwait(false);
                    }
                }
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // The worker has left, or the server stops: it watches another one.
        }
    }

    public override Task<ClaimResponse> Claim(ClaimRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        CheckName(request.Worker, "worker");
        if (request.Most < 1)
        {
            throw WorkerStatus.Wrong("most", $"'most' is {request.Most} and must be 1 or more.");
        }

        var types = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (TypeRoom room in request.Types_)
        {
            types[room.Type] = room.Most;
        }

        (IReadOnlyList<Claim> claims, TimeSpan waited) = await ClaimAsync(request, types, access.Project, token).ConfigureAwait(false);
        if (token.IsCancellationRequested)
        {
            await ReleaseAsync(claims).ConfigureAwait(false); // nobody would know of them
            throw new OperationCanceledException(token);
        }

        var response = new ClaimResponse { WaitedMs = (long)waited.TotalMilliseconds };
        response.Claims.AddRange(claims.Select(static claim => new Schemas.Agents.V1.Claim
        {
            Lease = claim.Lease.ToMessage(),
            Run = claim.Run.ToMessage(),
            InputJson = claim.Input is { Length: <= Wire.InlineBytes } input ? Google.Protobuf.ByteString.CopyFrom(input) : Google.Protobuf.ByteString.Empty,
        }));
        return response;
    });

    public override Task<HeartbeatResponse> Heartbeat(HeartbeatRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        if (request.Leases.Count > MostLeases)
        {
            throw WorkerStatus.Wrong("leases", $"A heartbeat may have {MostLeases} leases at most.");
        }

        Lease[] leases = await Task.WhenAll(request.Leases.Select(lease => HeldAsync(access, lease, token))).ConfigureAwait(false);
        LeaseState[] states = await Task.WhenAll(leases.Select(lease => journal.ExtendAsync(lease, token))).ConfigureAwait(false);
        return new HeartbeatResponse { States = { states.Select(Wire.ToMessage) } };
    });

    private async Task<(IReadOnlyList<Claim> Claims, TimeSpan Waited)> ClaimAsync(ClaimRequest request, Dictionary<string, int> types, string? project, CancellationToken clientGone)
    {
        long asked = time.GetTimestamp();
        var longest = TimeSpan.FromMilliseconds(Math.Clamp(request.WaitMs, 0, LongestWaitMs));
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(clientGone, host.ApplicationStopping);
        var wake = new WakeSignal(time);
        Action<string> onReady = type =>
        {
            if (type.Length == 0 || types.ContainsKey(type))
            {
                wake.Set();
            }
        };
        journal.Ready += onReady;
        try
        {
            while (true)
            {
                TimeSpan waited = time.GetElapsedTime(asked);
                IReadOnlyList<Claim> claims = await journal.ClaimAsync(request.Worker, types, request.Most, project, clientGone).ConfigureAwait(false);
                TimeSpan left = longest - time.GetElapsedTime(asked);
                if (claims.Count > 0 || left <= TimeSpan.Zero || ending.IsCancellationRequested)
                {
                    return (claims, waited);
                }

                await wake.WaitAsync(left < _pollInterval ? left : _pollInterval, ending.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            journal.Ready -= onReady;
        }
    }

    private async Task ReleaseAsync(IReadOnlyList<Claim> claims)
    {
        foreach (Claim claim in claims)
        {
            await journal.ReleaseAsync(claim.Lease, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Lets a call in, and says what went wrong with it.</summary>
    private async Task<T> AnswerAsync<T>(ServerCallContext context, Func<WorkerAccess, CancellationToken, Task<T>> work)
    {
        WorkerAccess access = await guard.CheckAsync(context).ConfigureAwait(false);
        try
        {
            return await work(access, context.CancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is FormatException or JsonException)
        {
            throw WorkerStatus.Wrong("", exception.Message);
        }
        catch (KeyNotFoundException exception)
        {
            throw WorkerStatus.Refuse(StatusCode.NotFound, WorkerStatus.UnknownValue, exception.Message);
        }
        catch (StorageException exception)
        {
            Log.StorageFailed(logger, exception);
            throw WorkerStatus.Unavailable(exception);
        }
    }

    private static void CheckName(string name, string field)
    {
        if (name.Length is 0 or > LongestName)
        {
            throw WorkerStatus.Wrong(field, $"'{field}' must have 1 to {LongestName} characters.");
        }
    }

    private static JsonElement Schema(Google.Protobuf.ByteString json) => JsonElement.Parse(json.IsEmpty ? "{}"u8 : json.Span);

    private static partial class Log
    {
        [LoggerMessage(7021, LogLevel.Error, "The journal of the agent queue failed for a worker")]
        public static partial void StorageFailed(ILogger logger, Exception exception);
    }
}
