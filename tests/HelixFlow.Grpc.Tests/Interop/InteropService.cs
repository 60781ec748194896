using Google.Protobuf;
using Grpc.Core;
using Grpc.Testing;
using HelixFlow.Grpc.Tests.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace HelixFlow.Grpc.Tests.Interop;

/// <summary>gRPC's interoperability test service on HelixFlow.Grpc.</summary>
internal sealed class InteropService(IHttpContextAccessor http) : TestService.TestServiceBase
{
    public const string InitialKey = "x-grpc-test-echo-initial";
    public const string TrailingKey = "x-grpc-test-echo-trailing-bin";

    /// <summary>A request with this header gets a trailer that cannot be sent.</summary>
    public const string OddTrailerKey = "x-test-odd-trailer";

    private const string RequestCompression = "grpc-internal-encoding-request";

    public override Task<Empty> EmptyCall(Empty request, ServerCallContext context) => Task.FromResult(new Empty());

    public override async Task<SimpleResponse> UnaryCall(SimpleRequest request, ServerCallContext context)
    {
        CheckCompression(request.ExpectCompressed, 0);
        await SendHeadersAsync(context, request.ResponseCompressed?.Value ?? false);
        Echo(request.ResponseStatus);
        return new SimpleResponse
        {
            Payload = Zeros(request.ResponseSize),
            Username = request.FillUsername ? string.Concat(context.AuthContext.PeerIdentity.Select(identity => identity.Value)) : "",
        };
    }

    public override async Task StreamingOutputCall(StreamingOutputCallRequest request, IServerStreamWriter<StreamingOutputCallResponse> responseStream, ServerCallContext context)
    {
        await SendHeadersAsync(context, request.ResponseParameters.Any(parameters => parameters.Compressed?.Value ?? false));
        await RespondAsync(request, responseStream, context);
    }

    public override async Task<StreamingInputCallResponse> StreamingInputCall(IAsyncStreamReader<StreamingInputCallRequest> requestStream, ServerCallContext context)
    {
        int size = 0;
        for (int message = 0; await requestStream.MoveNext(context.CancellationToken); message++)
        {
            CheckCompression(requestStream.Current.ExpectCompressed, message);
            size += requestStream.Current.Payload?.Body.Length ?? 0;
        }

        return new StreamingInputCallResponse { AggregatedPayloadSize = size };
    }

    public override async Task FullDuplexCall(
        IAsyncStreamReader<StreamingOutputCallRequest> requestStream, IServerStreamWriter<StreamingOutputCallResponse> responseStream, ServerCallContext context)
    {
        await SendHeadersAsync(context, compress: false);
        await foreach (StreamingOutputCallRequest request in requestStream.ReadAllAsync(context.CancellationToken))
        {
            Echo(request.ResponseStatus);
            await RespondAsync(request, responseStream, context);
        }
    }

    public override async Task HalfDuplexCall(
        IAsyncStreamReader<StreamingOutputCallRequest> requestStream, IServerStreamWriter<StreamingOutputCallResponse> responseStream, ServerCallContext context)
    {
        var requests = new List<StreamingOutputCallRequest>();
        await foreach (StreamingOutputCallRequest request in requestStream.ReadAllAsync(context.CancellationToken))
        {
            requests.Add(request);
        }

        foreach (StreamingOutputCallRequest request in requests)
        {
            await RespondAsync(request, responseStream, context);
        }
    }

    private static async Task RespondAsync(StreamingOutputCallRequest request, IServerStreamWriter<StreamingOutputCallResponse> responses, ServerCallContext context)
    {
        foreach (ResponseParameters parameters in request.ResponseParameters)
        {
            if (parameters.IntervalUs > 0)
            {
                await Task.Delay(TimeSpan.FromMicroseconds(parameters.IntervalUs), context.CancellationToken);
            }

            responses.WriteOptions = new WriteOptions(parameters.Compressed is { Value: false } ? WriteFlags.NoCompress : WriteFlags.None);
            await responses.WriteAsync(new StreamingOutputCallResponse { Payload = Zeros(parameters.Size) }, context.CancellationToken);
        }
    }

    private static Task SendHeadersAsync(ServerCallContext context, bool compress)
    {
        var headers = new Metadata();
        if (context.RequestHeaders.GetValue(InitialKey) is { } initial)
        {
            headers.Add(InitialKey, initial);
        }

        if (context.RequestHeaders.GetValueBytes(TrailingKey) is { } trailing)
        {
            context.ResponseTrailers.Add(TrailingKey, trailing);
        }

        if (context.RequestHeaders.Get(OddTrailerKey) is not null)
        {
            context.ResponseTrailers.Add(OddTrailerKey, "caf\u00e9\n");
        }

        if (compress)
        {
            headers.Add(RequestCompression, "gzip");
        }

        return headers.Count == 0 ? Task.CompletedTask : context.WriteResponseHeadersAsync(headers);
    }

    private static void Echo(EchoStatus? status)
    {
        if (status is { Code: not 0 })
        {
            throw new RpcException(new Status((StatusCode)status.Code, status.Message));
        }
    }

    private static Payload Zeros(int size) => new() { Body = ByteString.CopyFrom(new byte[size]) };

    /// <summary>Refuses a request whose compression, as it was on the wire, is not the expected one.</summary>
    private void CheckCompression(BoolValue? expected, int message)
    {
        if (expected is null)
        {
            return;
        }

        IHttpContextAccessor accessor = http;
        Tap tap = accessor.HttpContext!.Features.Get<Tap>() ?? throw new InvalidOperationException("the connection is not tapped");
        int stream = accessor.HttpContext.Features.GetRequiredFeature<IHttp2StreamIdFeature>().StreamId;
        bool compressed = tap.FromClient.Of(stream, message);
        if (compressed != expected.Value)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"the request is {(compressed ? "" : "not ")}compressed"));
        }
    }
}
