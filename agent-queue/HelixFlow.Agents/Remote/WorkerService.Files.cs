using System.IO.Pipelines;
using Grpc.Core;
using HelixFlow.Agents.Journal;
using HelixFlow.Schemas.Agents.V1;
using EffectClass = HelixFlow.Agents.Journal.EffectClass;
using Lease = HelixFlow.Agents.Journal.Lease;
using Run = HelixFlow.Agents.Runs.Run;
using StepSource = HelixFlow.Agents.Journal.StepSource;

namespace HelixFlow.Agents.Remote;

/// <summary>Files that runs have made or were given.</summary>
internal sealed partial class WorkerService
{
    public override Task<PutArtifactResponse> PutArtifact(IAsyncStreamReader<ArtifactPart> requestStream, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        if (!await requestStream.MoveNext(token).ConfigureAwait(false) || requestStream.Current.Header is not { } header)
        {
            throw WorkerStatus.Wrong("header", "The first part is the header.");
        }

        Lease lease = await HeldAsync(access, header.Lease, token).ConfigureAwait(false);
        if (!Journal.Journal.IsArtifactName(header.Name))
        {
            throw WorkerStatus.Wrong("header.name", $"'{header.Name}' cannot name an artifact: a file name of at most 200 characters is wanted, without folders.");
        }

        string project = await journal.ProjectOfAsync(lease, token).ConfigureAwait(false) ?? throw WorkerStatus.Lost(lease.RunId);
        using ContentDraft draft = await DraftAsync(requestStream, token).ConfigureAwait(false);
        string address = Run.AddressOf(header.Name), digest = Run.DigestOf(header.Name, draft.Hash, header.ContentType, project);
        StepAnswer answer = await journal.AskStepAsync(lease, address, digest, EffectClass.Idempotent, adopts: false, token).ConfigureAwait(false);
        switch (answer.Kind)
        {
            case StepAnswerKind.Recorded:
                break;
            case StepAnswerKind.Execute:
                long now = time.GetUtcNow().ToUnixTimeMilliseconds();
                var file = new Artifact(header.Name, draft.Hash, draft.Length, header.ContentType, now);
                var step = new StepRecord(address, digest, EffectClass.Idempotent, StepState.Succeeded, null, StepSource.Executed, now, 0);
                Require(await journal.RecordArtifactAsync(lease, step, file, draft, token).ConfigureAwait(false), lease);
                break;
            case StepAnswerKind.Mismatch:
                throw WorkerStatus.Refuse(
                    StatusCode.FailedPrecondition, WorkerStatus.ReplayMismatch, $"The run {lease.RunId} has kept a file '{header.Name}' with another content or type.");
            default:
                throw WorkerStatus.Lost(lease.RunId);
        }

        return new PutArtifactResponse { Hash = draft.Hash, Length = draft.Length };
    });

    public override Task<FindValueResponse> FindValue(FindValueRequest request, ServerCallContext context) => AnswerAsync(context, async (access, token) =>
    {
        access.Require(request.Project);
        var response = new FindValueResponse();
        if (await journal.FindValueAsync(request.Project, request.RunId, request.Hash, token).ConfigureAwait(false) is { } found)
        {
            response.Length = found.Length;
            response.IsJson = found.IsJson;
        }

        return response;
    });

    public override Task<FindArtifactResponse> FindArtifact(FindArtifactRequest request, ServerCallContext context) => AnswerAsync(
        context, async (access, token) =>
        {
            access.Require(request.Project);
            return await journal.FindArtifactAsync(request.Project, request.RunId, request.Name, token).ConfigureAwait(false) is { } file
                ? new FindArtifactResponse { Hash = file.Hash, Length = file.Length, ContentType = file.ContentType, CreatedAt = file.CreatedAt }
                : new FindArtifactResponse();
        });

    /// <summary>Reads the content while it comes, a little at a time.</summary>
    private async Task<ContentDraft> DraftAsync(IAsyncStreamReader<ArtifactPart> parts, CancellationToken cancellationToken)
    {
        var pipe = new Pipe();
        Task<ContentDraft> reading = journal.DraftAsync(pipe.Reader.AsStream(), Run.MaxArtifactBytes, cancellationToken);
        try
        {
            while (!reading.IsCompleted && await parts.MoveNext(cancellationToken).ConfigureAwait(false))
            {
                await pipe.Writer.WriteAsync(parts.Current.Content.Memory, cancellationToken).ConfigureAwait(false);
            }

            await pipe.Writer.CompleteAsync().ConfigureAwait(false);
            return await reading.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            await pipe.Writer.CompleteAsync(exception).ConfigureAwait(false);
            await DiscardAsync(reading).ConfigureAwait(false);
            throw;
        }
    }

    private static async Task DiscardAsync(Task<ContentDraft> reading)
    {
        await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (reading.IsCompletedSuccessfully)
        {
            (await reading.ConfigureAwait(false)).Dispose();
        }
    }
}
