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

    public static RpcException Refuse(StatusCode code, string reason, string message, IMessage? detail = null, Exception? cause = null)
    {
        var status = new Google.Rpc.Status { Code = (int)code, Message = message, Details = { Any.Pack(new ErrorInfo { Reason = reason, Domain = Domain }) } };
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
