using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Values;
using HelixFlow.Schemas.Agents.V1;
using EffectClass = HelixFlow.Agents.Journal.EffectClass;
using Lease = HelixFlow.Agents.Journal.Lease;
using StepSource = HelixFlow.Agents.Journal.StepSource;

namespace HelixFlow.Agents.Remote;

/// <summary>What a worker does with a run that it holds.</summary>
internal sealed partial class WorkerService
{
    private const int ChunkBytes = 256 << 10;
    private const long LongestExpiryMs = 10 * 366 * 86_400_000L;

    public override Task<GetStepResponse> GetStep(GetStepRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        Lease lease = await HeldAsync(access, request.Lease, token).ConfigureAwait(false);
        if (request.Address.Length == 0 || request.Executor.Length == 0)
        {
            throw WorkerStatus.Wrong("address", "A step has an address and the name of an executor.");
        }

        string project = await journal.ProjectOfAsync(lease, token).ConfigureAwait(false) ?? throw WorkerStatus.Lost(lease.RunId);
        string digest = ActionDigest.OfStep(request.Executor, request.Version, CanonicalJson.Of(request.InputJson.Memory), project);
        StepAnswer answer = await journal.AskStepAsync(lease, request.Address, digest, request.Effect.ToEffect(), adopts: true, token).ConfigureAwait(false);
        var response = new GetStepResponse { Digest = digest };
        switch (answer.Kind)
        {
            case StepAnswerKind.Execute:
                response.ExecuteKey = $"{lease.RunId}/{request.Address}";
                break;
            case StepAnswerKind.Recorded when answer.Content is { Length: <= Wire.InlineBytes } content:
                response.OutputJson = ByteString.CopyFrom(content);
                break;
            case StepAnswerKind.Recorded:
                response.Output = answer.Output;
                break;
            case StepAnswerKind.Mismatch:
                throw WorkerStatus.Refuse(
                    StatusCode.FailedPrecondition, WorkerStatus.ReplayMismatch,
                    $"At {request.Address} the run {lease.RunId} has recorded the action {answer.Recorded![..12]}, and its code now asks for {request.Executor} as {digest[..12]}. " +
                    "The code or its version was changed while the run was under way, or depends on something besides its input and its steps. " +
                    "Fork the run from this step to go on with the new code.");
            case StepAnswerKind.InDoubt:
                throw WorkerStatus.Refuse(
                    StatusCode.FailedPrecondition, WorkerStatus.StepInDoubt,
                    $"What became of the step {request.Address} of the run {lease.RunId} is not known: it must be decided before the run goes on.");
            case StepAnswerKind.Lost:
            default:
                throw WorkerStatus.Lost(lease.RunId);
        }

        return response;
    });

    public override Task<PutStepResponse> PutStep(PutStepRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        Lease lease = await HeldAsync(access, request.Lease, token).ConfigureAwait(false);
        CheckDigest(request.Digest);
        EffectClass effect = request.Effect.ToEffect();
        string project = await journal.ProjectOfAsync(lease, token).ConfigureAwait(false) ?? throw WorkerStatus.Lost(lease.RunId);
        long startedAt = request.StartedAt > 0 ? request.StartedAt : time.GetUtcNow().ToUnixTimeMilliseconds();
        var step = new StepRecord(request.Address, request.Digest, effect, StepState.Succeeded, null, StepSource.Executed, startedAt, 0) { Usage = request.Usage.ToUsage() };
        Require(
            await journal.RecordStepAsync(lease, step, CanonicalJson.Of(request.OutputJson.Memory), effect == EffectClass.Pure ? (project, 0) : null, token).ConfigureAwait(false), lease);
        return new PutStepResponse();
    });

    public override Task<FailStepResponse> FailStep(FailStepRequest request, ServerCallContext context) => WriteAsync(
        context, request.Lease, (lease, token) => journal.FailStepAsync(lease, request.Address, request.Digest, request.Error.ToError(), token), new FailStepResponse());

    public override Task<ReportProgressResponse> ReportProgress(ReportProgressRequest request, ServerCallContext context) => WriteAsync(
        context, request.Lease,
        (lease, token) => journal.ProgressAsync(lease, request.Percent, Wire.Text(request.Message), request.PartialJson.IsEmpty ? (ReadOnlyMemory<byte>?)null : request.PartialJson.Memory, token),
        new ReportProgressResponse());

    public override Task<TakeSignalResponse> TakeSignal(TakeSignalRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        Lease lease = await HeldAsync(access, request.Lease, token).ConfigureAwait(false);
        var response = new TakeSignalResponse();
        if (await journal.TakeSignalAsync(lease, request.Name, request.Address, token).ConfigureAwait(false) is { } body)
        {
            response.BodyJson = ByteString.CopyFromUtf8(body);
        }
        else
        {
            _ = await journal.ProjectOfAsync(lease, token).ConfigureAwait(false) ?? throw WorkerStatus.Lost(lease.RunId);
        }

        return response;
    });

    public override Task<RequestChildResponse> RequestChild(RequestChildRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        access.Require(request.Project);
        RunRecord parent = await journal.GetAsync(request.Project, request.Parent, token).ConfigureAwait(false)
            ?? throw WorkerStatus.Wrong("parent", $"The project '{request.Project}' has no job '{request.Parent}'.");
        CheckName(request.Type, "type");
        RunStart start = await journal.RequestAsync(
            new RunRequest
            {
                Project = parent.Project,
                Type = request.Type,
                Input = request.InputJson.Memory,
                Priority = request.Priority.ToPriority() ?? parent.Priority,
                Key = Wire.Text(request.Key) ?? Runs.Run.KeyOfChild(parent, request.Address),
                NotBefore = request.NotBefore,
                Options = request.Options.ToOptions(),
                Labels = request.Labels.Count > 0 ? request.Labels.ToDictionary(StringComparer.Ordinal) : null,
                DependsOn = request.DependsOn,
                Parent = parent.Id,
                ParentAddress = request.Address,
                ForkOf = Wire.Text(request.ForkOf),
                ForkFrom = Wire.Text(request.ForkFrom),
            },
            token).ConfigureAwait(false);
        var response = new RequestChildResponse
        {
            Outcome = (RequestChildResponse.Types.Outcome)((int)start.Kind + 1), Run = start.Run?.ToMessage(), Unknown = start.Unknown ?? "",
        };
        if (start.Run?.Output is { } hash && await journal.ReadAsync(hash, token).ConfigureAwait(false) is { Length: <= Wire.InlineBytes } output)
        {
            response.OutputJson = ByteString.CopyFrom(output);
        }

        return response;
    });

    public override Task<AskResponse> Ask(AskRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        Lease lease = await HeldAsync(access, request.Lease, token).ConfigureAwait(false);
        JsonElement question = Wire.Json(request.QuestionJson);
        string signal = Wire.Text(request.Signal) ?? Runs.Run.NameOfAnswer(request.Address, question);
        QuestionExpiry? expiry = request.ExpiresMs > 0 ? new QuestionExpiry(TimeSpan.FromMilliseconds(Math.Min(request.ExpiresMs, LongestExpiryMs)), request.FailsOnExpiry) : null;
        string? name = await journal.AskAsync(lease, request.Address, signal, question, expiry, token).ConfigureAwait(false);
        Require(name is not null, lease);
        return new AskResponse { Signal = name };
    });

    public override Task<SuspendResponse> Suspend(SuspendRequest request, ServerCallContext context) => WriteAsync(
        context, request.Lease,
        (lease, token) => journal.SuspendAsync(lease, new RunWait(request.HasUntil ? request.Until : null, [.. request.Signals], [.. request.Runs], request.AnyRun), token),
        new SuspendResponse());

    public override Task<CompleteResponse> Complete(CompleteRequest request, ServerCallContext context) => WriteAsync(
        context, request.Lease, (lease, token) => journal.SucceedAsync(lease, request.OutputJson.Memory, token), new CompleteResponse());

    public override Task<FailResponse> Fail(FailRequest request, ServerCallContext context) => WriteAsync(
        context, request.Lease, (lease, token) => journal.FailAsync(lease, request.Error.ToError(), request.IsFinal, token), new FailResponse());

    public override Task<CancelledResponse> Cancelled(CancelledRequest request, ServerCallContext context) =>
        WriteAsync(context, request.Lease, journal.CancelledAsync, new CancelledResponse());

    public override Task<HandBackResponse> HandBack(HandBackRequest request, ServerCallContext context) =>
        WriteAsync(context, request.Lease, journal.ReleaseAsync, new HandBackResponse());

    public override Task ReadValue(ReadValueRequest request, IServerStreamWriter<ValueChunk> responseStream, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        await RequireAsync(access, request.Hash, token).ConfigureAwait(false);
        ReadOnlyMemory<byte> value = await journal.ReadAsync(request.Hash, token).ConfigureAwait(false);
        for (int at = 0; at < value.Length; at += ChunkBytes)
        {
            await responseStream.WriteAsync(new ValueChunk { Content = UnsafeByteOperations.UnsafeWrap(value.Slice(at, Math.Min(ChunkBytes, value.Length - at))) }, token).ConfigureAwait(false);
        }

        return true;
    });

    public override Task LoadSteps(LoadStepsRequest request, IServerStreamWriter<RecordedStep> responseStream, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        Lease lease = await HeldAsync(access, request.Lease, token).ConfigureAwait(false);
        foreach (StepRecord step in (await journal.LoadStepsAsync(lease, token).ConfigureAwait(false)).Values)
        {
            await responseStream.WriteAsync(step.ToMessage(), token).ConfigureAwait(false);
        }

        return true;
    });

    public override Task<FindCachedResponse> FindCached(FindCachedRequest request, ServerCallContext context) => AnswerAsync(
        context, async (access, token) =>
        {
            access.Require(request.Project);
            return new FindCachedResponse { Output = await journal.FindCachedAsync(request.Project, request.Digest, token).ConfigureAwait(false) ?? "" };
        });

    public override Task<BeginStepResponse> BeginStep(BeginStepRequest request, ServerCallContext context) => WriteAsync(
        context, request.Lease, (lease, token) => journal.BeginStepAsync(lease, request.Address, request.Digest, request.Effect.ToEffect(), token), new BeginStepResponse());

    public override Task<AdoptStepsResponse> AdoptSteps(AdoptStepsRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        Lease lease = await HeldAsync(access, request.Lease, token).ConfigureAwait(false);
        StepRecord[] steps = [.. request.Steps.Select(Adopted)];
        foreach (StepRecord step in steps)
        {
            await RequireAsync(access, step.Output!, token).ConfigureAwait(false); // the run would reach it from then on
        }

        Require(await journal.AdoptStepsAsync(lease, steps, token).ConfigureAwait(false), lease);
        return new AdoptStepsResponse();
    });

    /// <summary>A write under a lease.</summary>
    private Task<T> WriteAsync<T>(ServerCallContext context, Schemas.Agents.V1.Lease? held, Func<Lease, CancellationToken, Task<bool>> write, T done) => AnswerAsync(context, async (access, token) =>
    {
        Lease lease = await HeldAsync(access, held, token).ConfigureAwait(false);
        Require(await write(lease, token).ConfigureAwait(false), lease);
        return done;
    });

    private static StepRecord Adopted(RecordedStep message)
    {
        StepRecord step = message.ToStep();
        CheckDigest(step.Digest);
        return step is { Output: not null, Source: StepSource.Cache or StepSource.Fork } ? step
            : throw WorkerStatus.Wrong("steps", $"The step '{step.Address}' comes from no other run: PutStep records what this one has done.");
    }

    /// <summary>The lease of a call, if its run is one that the key reaches. Whether it still holds, the journal finds when it writes.</summary>
    private async Task<Lease> HeldAsync(WorkerAccess access, Schemas.Agents.V1.Lease? lease, CancellationToken cancellationToken)
    {
        Lease held = lease?.ToLease() ?? throw WorkerStatus.Wrong("lease", "The lease is missing.");
        if (access.Project is not null)
        {
            access.Require(await journal.OwnerAsync(held, cancellationToken).ConfigureAwait(false));
        }

        return held;
    }

    /// <summary>Lets pass a value that the key reaches.</summary>
    private async Task RequireAsync(WorkerAccess access, string hash, CancellationToken cancellationToken)
    {
        if (access.Project is { } project && !await journal.HasValueAsync(project, hash, cancellationToken).ConfigureAwait(false))
        {
            throw WorkerStatus.Forbidden(project);
        }
    }

    private static void Require(bool isHeld, Lease lease)
    {
        if (!isHeld)
        {
            throw WorkerStatus.Lost(lease.RunId);
        }
    }

    private static void CheckDigest(string digest)
    {
        if (digest.Length != 64 || !digest.All(char.IsAsciiHexDigitLower))
        {
            throw WorkerStatus.Wrong("digest", "A digest is a SHA-256 as 64 hexadecimal digits, as GetStep gives it.");
        }
    }
}
