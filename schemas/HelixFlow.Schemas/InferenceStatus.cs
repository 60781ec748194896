using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace HelixFlow.Schemas;

/// <summary>How an <see cref="InferenceException"/> travels over gRPC: a status code with a <c>google.rpc.Status</c> in the trailers.</summary>
public static class InferenceStatus
{
    private const string Domain = "helixflow.inference";
    private const string DetailsKey = "grpc-status-details-bin";

    /// <summary>The exception as its callers over gRPC get it.</summary>
    public static RpcException ToRpc(InferenceException exception)
    {
        StatusCode code = CodeOf(exception.Error);
        var status = new Google.Rpc.Status { Code = (int)code, Message = exception.Message };
        status.Details.Add(Any.Pack(new ErrorInfo { Reason = exception.Error.ToString(), Domain = Domain }));
        if (exception.Field is { } field)
        {
            status.Details.Add(Any.Pack(new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = exception.Message } } }));
        }

        if (exception.RetryAfter is { } wait)
        {
            status.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(wait) }));
        }

        return new RpcException(new Grpc.Core.Status(code, exception.Message, exception), new Metadata { { DetailsKey, status.ToByteArray() } });
    }

    /// <summary>What a call's failure says; a status without details of ours is judged by its code.</summary>
    public static InferenceException FromRpc(RpcException exception)
    {
        InferenceError error = ErrorOf(exception.StatusCode);
        string message = exception.Status.Detail.Length > 0 ? exception.Status.Detail : exception.StatusCode.ToString();
        string? field = null;
        TimeSpan? retryAfter = null;
        foreach (Any detail in DetailsOf(exception))
        {
            if (detail.TryUnpack(out ErrorInfo info) && info.Domain == Domain && System.Enum.TryParse(info.Reason, out InferenceError stated))
            {
                error = stated;
            }
            else if (detail.TryUnpack(out BadRequest bad) && bad.FieldViolations.Count > 0)
            {
                field = bad.FieldViolations[0].Field;
            }
            else if (detail.TryUnpack(out RetryInfo retry) && retry.RetryDelay is not null)
            {
                retryAfter = retry.RetryDelay.ToTimeSpan();
            }
        }

        return new InferenceException(error, message, field, exception) { RetryAfter = retryAfter };
    }

    private static RepeatedField<Any> DetailsOf(RpcException exception)
    {
        if (exception.Trailers.GetValueBytes(DetailsKey) is not { } bytes)
        {
            return [];
        }

        try
        {
            return Google.Rpc.Status.Parser.ParseFrom(bytes).Details;
        }
        catch (InvalidProtocolBufferException)
        {
            return []; // a peer's details that cannot be read take nothing from its status
        }
    }

    private static StatusCode CodeOf(InferenceError error) => error switch
    {
        InferenceError.InvalidArgument or InferenceError.ContextLengthExceeded => StatusCode.InvalidArgument,
        InferenceError.ModelNotFound => StatusCode.NotFound,
        InferenceError.Overloaded => StatusCode.ResourceExhausted,
        InferenceError.Unavailable => StatusCode.Unavailable,
        InferenceError.ModelUnavailable => StatusCode.FailedPrecondition,
        InferenceError.DeadlineExceeded => StatusCode.DeadlineExceeded,
        InferenceError.Unsupported => StatusCode.Unimplemented,
        _ => StatusCode.Internal,
    };

    private static InferenceError ErrorOf(StatusCode code) => code switch
    {
        StatusCode.InvalidArgument => InferenceError.InvalidArgument,
        StatusCode.NotFound => InferenceError.ModelNotFound,
        StatusCode.ResourceExhausted => InferenceError.Overloaded,
        StatusCode.Unavailable => InferenceError.Unavailable,
        StatusCode.FailedPrecondition => InferenceError.ModelUnavailable,
        StatusCode.DeadlineExceeded => InferenceError.DeadlineExceeded,
        StatusCode.Unimplemented => InferenceError.Unsupported,
        _ => InferenceError.Internal,
    };
}
