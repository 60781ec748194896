using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Remote;

/// <summary>The refusals of the worker protocol: a status with a <c>google.rpc.Status</c> in the trailers that tells programs why.</summary>
internal static class WorkerStatus
{
    public const string LeaseLost = "LEASE_LOST";
    public const string ReplayMismatch = "REPLAY_MISMATCH";
    public const string StepInDoubt = "STEP_IN_DOUBT";
    public const string UnknownValue = "UNKNOWN_VALUE";
    public const string ProjectForbidden = "PROJECT_FORBIDDEN";
    public const string UnknownSource = "UNKNOWN_SOURCE";
    public const string SearchFailed = "SEARCH_FAILED";

    private const string Domain = "helixflow.agents";
    private const string DetailsKey = "grpc-status-details-bin";

    private static readonly Duration _retryDelay = Duration.FromTimeSpan(TimeSpan.FromMilliseconds(100));

    public static RpcException Lost(string run) => Refuse(StatusCode.Aborted, LeaseLost, $"The run {run} is no longer this worker's.");

    public static RpcException Wrong(string field, string message) => Refuse(
        StatusCode.InvalidArgument, "INVALID_FIELD", message, new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = message } } });

    public static RpcException Unavailable(StorageException exception) => Refuse(
        StatusCode.Unavailable, "STORAGE_UNAVAILABLE", "The journal cannot be reached or written at this moment.", new RetryInfo { RetryDelay = _retryDelay }, exception);

    /// <summary>A key of one project has asked for something of another one, of which it learns nothing.</summary>
    public static RpcException Forbidden(string project) => Refuse(
        StatusCode.PermissionDenied, ProjectForbidden, $"The key is for the project '{project}', and this belongs to another one.", metadata: ("project", project));

    public static RpcException Refuse(
        StatusCode code, string reason, string message, IMessage? detail = null, Exception? cause = null, (string Name, string Value)? metadata = null)
    {
        var info = new ErrorInfo { Reason = reason, Domain = Domain };
        if (metadata is { } more)
        {
            info.Metadata.Add(more.Name, more.Value);
        }

        var status = new Google.Rpc.Status { Code = (int)code, Message = message, Details = { Any.Pack(info) } };
        if (detail is not null)
        {
            status.Details.Add(Any.Pack(detail));
        }

        return new RpcException(new Grpc.Core.Status(code, message, cause), new Metadata { { DetailsKey, status.ToByteArray() } });
    }

    /// <summary>The word for programs in a refusal; null when there is none of ours.</summary>
    public static string? ReasonOf(RpcException exception)
    {
        if (exception.Trailers.GetValueBytes(DetailsKey) is not { } bytes)
        {
            return null;
        }

        try
        {
            foreach (Any detail in Google.Rpc.Status.Parser.ParseFrom(bytes).Details)
            {
                if (detail.TryUnpack(out ErrorInfo info) && info.Domain == Domain)
                {
                    return info.Reason;
                }
            }
        }
        catch (InvalidProtocolBufferException)
        {
            // Details that cannot be read take nothing from the status.
        }

        return null;
    }
}
