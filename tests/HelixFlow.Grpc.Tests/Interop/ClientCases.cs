using Google.Protobuf;
using Grpc.Core;
using Grpc.Testing;
using HelixFlow.Grpc.Tests.Wire;

namespace HelixFlow.Grpc.Tests.Interop;

/// <summary>The client side of gRPC's interoperability test cases (grpc's doc/interop-test-descriptions.md) on HelixFlow.Grpc.</summary>
/// <param name="invoker">Of a channel of the case's own.</param>
/// <param name="tap">The channel's only connection.</param>
/// <param name="probe">Whether the server can refuse a request that is not compressed as it expects.</param>
internal sealed class ClientCases(CallInvoker invoker, Tap? tap = null, bool probe = true)
{
    private const string InitialValue = "test_initial_metadata_value";
    private static readonly byte[] TrailingValue = [0xab, 0xab, 0xab];
    private static readonly int[] RequestSizes = [27182, 8, 1828, 45904];
    private static readonly int[] ResponseSizes = [31415, 9, 2653, 58979];
    private static readonly Metadata Compressed = new() { { "grpc-internal-encoding-request", "gzip" } };
    private static readonly CallOptions NoCompress = new(Compressed, writeOptions: new WriteOptions(WriteFlags.NoCompress));

    private readonly TestService.TestServiceClient _client = new(invoker);

    public Task RunAsync(string name) => name switch
    {
        "empty_unary" => EmptyUnaryAsync(),
        "large_unary" => LargeUnaryAsync(),
        "client_streaming" => ClientStreamingAsync(),
        "server_streaming" => ServerStreamingAsync(),
        "ping_pong" => PingPongAsync(),
        "empty_stream" => EmptyStreamAsync(),
        "cancel_after_begin" => CancelAfterBeginAsync(),
        "cancel_after_first_response" => CancelAfterFirstResponseAsync(),
        "timeout_on_sleeping_server" => TimeoutOnSleepingServerAsync(),
        "status_code_and_message" => StatusCodeAndMessageAsync(),
        "special_status_message" => SpecialStatusMessageAsync(),
        "custom_metadata" => CustomMetadataAsync(),
        "unimplemented_method" => UnimplementedMethodAsync(),
        "unimplemented_service" => UnimplementedServiceAsync(),
        "client_compressed_unary" => ClientCompressedUnaryAsync(),
        "server_compressed_unary" => ServerCompressedUnaryAsync(),
        "client_compressed_streaming" => ClientCompressedStreamingAsync(),
        "server_compressed_streaming" => ServerCompressedStreamingAsync(),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such case"),
    };

    private async Task EmptyUnaryAsync() => Assert.Equal(0, (await _client.EmptyCallAsync(new Empty())).CalculateSize());

    private async Task LargeUnaryAsync() => AssertLarge(await _client.UnaryCallAsync(Large()));

    private async Task ClientStreamingAsync()
    {
        using AsyncClientStreamingCall<StreamingInputCallRequest, StreamingInputCallResponse> call = _client.StreamingInputCall();
        foreach (int size in RequestSizes)
        {
            await call.RequestStream.WriteAsync(new StreamingInputCallRequest { Payload = Zeros(size) });
        }

        await call.RequestStream.CompleteAsync();
        Assert.Equal(74922, (await call.ResponseAsync).AggregatedPayloadSize);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    private async Task ServerStreamingAsync()
    {
        using AsyncServerStreamingCall<StreamingOutputCallResponse> call = _client.StreamingOutputCall(Output(ResponseSizes));
        Assert.Equal(ResponseSizes, await SizesAsync(call.ResponseStream));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    private async Task PingPongAsync()
    {
        using AsyncDuplexStreamingCall<StreamingOutputCallRequest, StreamingOutputCallResponse> call = _client.FullDuplexCall();
        foreach ((int requestSize, int responseSize) in RequestSizes.Zip(ResponseSizes))
        {
            await call.RequestStream.WriteAsync(Output([responseSize], requestSize));
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
            Assert.Equal(responseSize, call.ResponseStream.Current.Payload.Body.Length);
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    private async Task EmptyStreamAsync()
    {
        using AsyncDuplexStreamingCall<StreamingOutputCallRequest, StreamingOutputCallResponse> call = _client.FullDuplexCall();
        await call.RequestStream.CompleteAsync();
        Assert.Empty(await SizesAsync(call.ResponseStream));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    private async Task CancelAfterBeginAsync()
    {
        using var cancellation = new CancellationTokenSource();
        using AsyncClientStreamingCall<StreamingInputCallRequest, StreamingInputCallResponse> call = _client.StreamingInputCall(cancellationToken: cancellation.Token);
        await cancellation.CancelAsync();
        await AssertStatusAsync(StatusCode.Cancelled, () => call.ResponseAsync);
    }

    private async Task CancelAfterFirstResponseAsync()
    {
        using var cancellation = new CancellationTokenSource();
        using AsyncDuplexStreamingCall<StreamingOutputCallRequest, StreamingOutputCallResponse> call = _client.FullDuplexCall(cancellationToken: cancellation.Token);
        await call.RequestStream.WriteAsync(Output([31415], 27182));
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(31415, call.ResponseStream.Current.Payload.Body.Length);
        await cancellation.CancelAsync();
        await AssertStatusAsync(StatusCode.Cancelled, () => call.ResponseStream.MoveNext(CancellationToken.None));
    }

    private async Task TimeoutOnSleepingServerAsync()
    {
        DateTime deadline = TimeProvider.System.GetUtcNow().UtcDateTime.AddMilliseconds(1);
        using AsyncDuplexStreamingCall<StreamingOutputCallRequest, StreamingOutputCallResponse> call = _client.FullDuplexCall(deadline: deadline);
        try
        {
            await call.RequestStream.WriteAsync(Output([], 27182));
        }
        catch (RpcException)
        {
            // The deadline may pass before the request is written; the call's end says so below.
        }

        await AssertStatusAsync(StatusCode.DeadlineExceeded, () => call.ResponseStream.MoveNext(CancellationToken.None));
    }

    private async Task StatusCodeAndMessageAsync()
    {
        var status = new EchoStatus { Code = 2, Message = "test status message" };
        RpcException failure = await AssertStatusAsync(StatusCode.Unknown, () => _client.UnaryCallAsync(new SimpleRequest { ResponseStatus = status }).ResponseAsync);
        Assert.Equal(status.Message, failure.Status.Detail);

        using AsyncDuplexStreamingCall<StreamingOutputCallRequest, StreamingOutputCallResponse> call = _client.FullDuplexCall();
        await call.RequestStream.WriteAsync(new StreamingOutputCallRequest { ResponseStatus = status });
        await call.RequestStream.CompleteAsync();
        failure = await AssertStatusAsync(StatusCode.Unknown, () => call.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(status.Message, failure.Status.Detail);
    }

    private async Task SpecialStatusMessageAsync()
    {
        const string Message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
        var request = new SimpleRequest { ResponseStatus = new EchoStatus { Code = 2, Message = Message } };
        RpcException failure = await AssertStatusAsync(StatusCode.Unknown, () => _client.UnaryCallAsync(request).ResponseAsync);
        Assert.Equal(Message, failure.Status.Detail);
    }

    private async Task CustomMetadataAsync()
    {
        var metadata = new Metadata { { InteropService.InitialKey, InitialValue }, { InteropService.TrailingKey, TrailingValue } };
        using AsyncUnaryCall<SimpleResponse> unary = _client.UnaryCallAsync(Large(), metadata);
        Assert.Equal(InitialValue, (await unary.ResponseHeadersAsync).GetValue(InteropService.InitialKey));
        AssertLarge(await unary);
        Assert.Equal(TrailingValue, unary.GetTrailers().GetValueBytes(InteropService.TrailingKey));

        using AsyncDuplexStreamingCall<StreamingOutputCallRequest, StreamingOutputCallResponse> duplex = _client.FullDuplexCall(metadata);
        await duplex.RequestStream.WriteAsync(Output([314159], 271828));
        await duplex.RequestStream.CompleteAsync();
        Assert.Equal(InitialValue, (await duplex.ResponseHeadersAsync).GetValue(InteropService.InitialKey));
        Assert.Equal([314159], await SizesAsync(duplex.ResponseStream));
        Assert.Equal(TrailingValue, duplex.GetTrailers().GetValueBytes(InteropService.TrailingKey));
    }

    private Task<RpcException> UnimplementedMethodAsync() =>
        AssertStatusAsync(StatusCode.Unimplemented, () => _client.UnimplementedCallAsync(new Empty()).ResponseAsync);

    private Task<RpcException> UnimplementedServiceAsync() =>
        AssertStatusAsync(StatusCode.Unimplemented, () => new UnimplementedService.UnimplementedServiceClient(invoker).UnimplementedCallAsync(new Empty()).ResponseAsync);

    private async Task ClientCompressedUnaryAsync()
    {
        SimpleRequest expecting = Large();
        expecting.ExpectCompressed = new BoolValue { Value = true };
        SimpleRequest plain = Large();
        plain.ExpectCompressed = new BoolValue { Value = false };
        if (probe)
        {
            await AssertStatusAsync(StatusCode.InvalidArgument, () => _client.UnaryCallAsync(expecting, NoCompress).ResponseAsync);
        }

        AssertLarge(await _client.UnaryCallAsync(expecting, Compressed));
        AssertLarge(await _client.UnaryCallAsync(plain, NoCompress));
        Assert.Equal([.. probe ? (bool[])[false] : [], true, false], tap!.FromClient.All);
    }

    private async Task ServerCompressedUnaryAsync()
    {
        foreach (bool compressed in (bool[])[true, false])
        {
            SimpleRequest request = Large();
            request.ResponseCompressed = new BoolValue { Value = compressed };
            AssertLarge(await _client.UnaryCallAsync(request));
        }

        Assert.Equal([true, false], tap!.FromServer.All);
    }

    private async Task ClientCompressedStreamingAsync()
    {
        if (probe)
        {
            using AsyncClientStreamingCall<StreamingInputCallRequest, StreamingInputCallResponse> refused = _client.StreamingInputCall(NoCompress);
            await refused.RequestStream.WriteAsync(Input(27182, compressed: true));
            await refused.RequestStream.CompleteAsync();
            await AssertStatusAsync(StatusCode.InvalidArgument, () => refused.ResponseAsync);
        }

        using AsyncClientStreamingCall<StreamingInputCallRequest, StreamingInputCallResponse> call = _client.StreamingInputCall(Compressed);
        await call.RequestStream.WriteAsync(Input(27182, compressed: true));
        call.RequestStream.WriteOptions = new WriteOptions(WriteFlags.NoCompress);
        await call.RequestStream.WriteAsync(Input(45904, compressed: false));
        await call.RequestStream.CompleteAsync();
        Assert.Equal(73086, (await call.ResponseAsync).AggregatedPayloadSize);
        Assert.Equal([.. probe ? (bool[])[false] : [], true, false], tap!.FromClient.All);
    }

    private async Task ServerCompressedStreamingAsync()
    {
        StreamingOutputCallRequest request = Output([31415, 92653]);
        request.ResponseParameters[0].Compressed = new BoolValue { Value = true };
        request.ResponseParameters[1].Compressed = new BoolValue { Value = false };
        using AsyncServerStreamingCall<StreamingOutputCallResponse> call = _client.StreamingOutputCall(request);
        Assert.Equal([31415, 92653], await SizesAsync(call.ResponseStream));
        Assert.Equal([true, false], tap!.FromServer.All);
    }

    private static SimpleRequest Large() => new() { ResponseSize = 314159, Payload = Zeros(271828) };

    private static StreamingInputCallRequest Input(int size, bool compressed) =>
        new() { Payload = Zeros(size), ExpectCompressed = new BoolValue { Value = compressed } };

    private static StreamingOutputCallRequest Output(int[] responseSizes, int body = 0) =>
        new() { ResponseParameters = { responseSizes.Select(size => new ResponseParameters { Size = size }) }, Payload = Zeros(body) };

    private static Payload Zeros(int size) => new() { Body = ByteString.CopyFrom(new byte[size]) };

    private static void AssertLarge(SimpleResponse response) => Assert.Equal(Zeros(314159).Body, response.Payload.Body);

    private static async Task<List<int>> SizesAsync(IAsyncStreamReader<StreamingOutputCallResponse> responses)
    {
        var sizes = new List<int>();
        await foreach (StreamingOutputCallResponse response in responses.ReadAllAsync())
        {
            sizes.Add(response.Payload.Body.Length);
        }

        return sizes;
    }

    private static async Task<RpcException> AssertStatusAsync(StatusCode expected, Func<Task> call)
    {
        RpcException failure = await Assert.ThrowsAsync<RpcException>(call);
        Assert.Equal(expected, failure.StatusCode);
        return failure;
    }
}
