using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Testing;
using HelixFlow.Grpc.Tests.Wire;

namespace HelixFlow.Grpc.Tests.Hostile;

/// <summary>What servers and proxies answer that know no manners: each call ends with the status that gRPC's documents prescribe, and the next one gets through.</summary>
public sealed class HostileServerTests
{
    private const int MostBytes = 1024 * 1024;

    private static readonly (string, string)[] Head = [(":status", "200"), ("content-type", "application/grpc")];
    private static readonly (string, string)[] Ok = [("grpc-status", "0")];
    private static readonly byte[] Message = GrpcBytes.Message(new SimpleResponse { Payload = new Payload { Body = ByteString.CopyFrom(new byte[10]) } });
    private static readonly Script Good = Answer(Head, Message, Ok);

    public static TheoryData<int, StatusCode> HttpStatuses => new()
    {
        { 400, StatusCode.Internal },
        { 401, StatusCode.Unauthenticated },
        { 403, StatusCode.PermissionDenied },
        { 404, StatusCode.Unimplemented },
        { 429, StatusCode.Unavailable },
        { 431, StatusCode.Internal },
        { 500, StatusCode.Unknown },
        { 502, StatusCode.Unavailable },
        { 503, StatusCode.Unavailable },
        { 504, StatusCode.Unavailable },
        { 204, StatusCode.Unknown },
        { 302, StatusCode.Unknown },
        { 418, StatusCode.Unknown },
    };

    // grpc's PROTOCOL-HTTP2, "Errors".
    public static TheoryData<uint, StatusCode> Resets => new()
    {
        { 0x0, StatusCode.Internal },
        { 0x1, StatusCode.Internal },
        { 0x2, StatusCode.Internal },
        { 0x3, StatusCode.Internal },
        { 0x4, StatusCode.Internal },
        { 0x6, StatusCode.Internal },
        { 0x7, StatusCode.Unavailable },
        { 0x8, StatusCode.Cancelled },
        { 0x9, StatusCode.Internal },
        { 0xa, StatusCode.Internal },
        { 0xb, StatusCode.ResourceExhausted },
        { 0xc, StatusCode.PermissionDenied },
    };

    public static TheoryData<string, byte[], StatusCode> Bodies => new()
    {
        { "nothing at all", [], StatusCode.Unimplemented },
        { "two messages where one belongs", [.. Message, .. Message], StatusCode.Unimplemented },
        { "three bytes of a header", [0, 0, 0], StatusCode.Internal },
        { "ten bytes of a hundred", GrpcBytes.Message(new byte[10], length: 100), StatusCode.Internal },
        { "bytes that are no message", GrpcBytes.Message([0xff, 0xff, 0xff]), StatusCode.Internal },
        { "an unknown flag", GrpcBytes.Message([], flag: 2), StatusCode.Internal },
        { "a compressed message without an encoding", GrpcBytes.Message(GrpcBytes.Gzip([]), flag: 1), StatusCode.Internal },
        { "more than the limit", GrpcBytes.Message(new byte[10], length: MostBytes + 1), StatusCode.ResourceExhausted },
        { "four billion bytes, allegedly", GrpcBytes.Message(new byte[10], length: uint.MaxValue), StatusCode.ResourceExhausted },
    };

    public static TheoryData<string, string, StatusCode> Statuses => new()
    {
        { "5", "gone%20for%20good", StatusCode.NotFound },
        { "16", "", StatusCode.Unauthenticated },
        { "99", "", StatusCode.Unknown },
        { "-1", "", StatusCode.Unknown },
        { "OK", "", StatusCode.Unknown },
        { "", "", StatusCode.Unknown },
        { "99999999999", "", StatusCode.Unknown },
        { "13", "%", StatusCode.Internal },
        { "13", "%zz%f%E4", StatusCode.Internal },
    };

    [Theory]
    [MemberData(nameof(HttpStatuses))]
    public async Task An_http_status_becomes_the_status_of_the_table(int http, StatusCode expected) =>
        await AssertStatusAsync(expected, Answer([(":status", http.ToString(CultureInfo.InvariantCulture)), ("content-type", "text/html")], null, null));

    [Theory]
    [MemberData(nameof(Resets))]
    public async Task A_reset_within_the_response_becomes_the_status_of_the_table(uint error, StatusCode expected) =>
        await AssertStatusAsync(expected, async (frames, stream, stopping) =>
        {
            await frames.SendHeadersAsync(stream, Head, end: false, stopping);
            await frames.SendDataAsync(stream, Message.AsMemory(0, 7), end: false, stopping);
            await frames.ResetAsync(stream, error, stopping);
        });

    [Fact]
    public async Task A_response_without_trailers_is_unknown() => await AssertStatusAsync(StatusCode.Unknown, async (frames, stream, stopping) =>
    {
        await frames.SendHeadersAsync(stream, Head, end: false, stopping);
        await frames.SendDataAsync(stream, Message, end: true, stopping);
    });

    [Fact]
    public async Task A_head_without_anything_is_unknown() => await AssertStatusAsync(StatusCode.Unknown, Answer(Head, null, null));

    [Fact]
    public async Task Trailers_without_a_status_are_unknown() => await AssertStatusAsync(StatusCode.Unknown, Answer(Head, Message, [("x-some", "thing")]));

    [Theory]
    [InlineData("text/html")]
    [InlineData("application/grpcx")]
    [InlineData("application/json")]
    public async Task A_foreign_content_type_is_unknown(string contentType) =>
        await AssertStatusAsync(StatusCode.Unknown, Answer([(":status", "200"), ("content-type", contentType)], Message, null));

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_wrong_body_has_the_prescribed_status(string what, byte[] body, StatusCode expected)
    {
        Assert.NotEmpty(what);
        await AssertStatusAsync(expected, Answer(Head, body, Ok));
    }

    [Theory]
    [InlineData("br", StatusCode.Internal)]
    [InlineData("identity", StatusCode.Internal)]
    [InlineData("gzip", StatusCode.Internal)]
    public async Task A_compressed_message_that_cannot_be_read_is_an_internal_error(string encoding, StatusCode expected) =>
        await AssertStatusAsync(expected, Answer([.. Head, ("grpc-encoding", encoding)], GrpcBytes.Message(new byte[40], flag: 1), Ok));

    [Fact]
    public async Task A_bomb_ends_at_the_limit()
    {
        byte[] huge = new SimpleResponse { Payload = new Payload { Body = UnsafeByteOperations.UnsafeWrap(new byte[64 * 1024 * 1024]) } }.ToByteArray();
        byte[] bomb = GrpcBytes.Message(GrpcBytes.Gzip(huge), flag: 1);
        await AssertStatusAsync(StatusCode.ResourceExhausted, async (frames, stream, stopping) =>
        {
            await frames.SendHeadersAsync(stream, [.. Head, ("grpc-encoding", "gzip")], end: false, stopping);
            await frames.SendDataAsync(stream, bomb.AsMemory(0, Math.Min(bomb.Length, 65_535)), end: false, stopping); // what the first window allows
            await frames.SendDataAsync(stream, bomb.AsMemory(Math.Min(bomb.Length, 65_535)), end: false, stopping);
            await frames.SendHeadersAsync(stream, Ok, end: true, stopping);
        });
    }

    [Theory]
    [MemberData(nameof(Statuses))]
    public async Task A_stated_status_counts_even_if_it_is_odd(string status, string message, StatusCode expected)
    {
        await AssertStatusAsync(expected, Answer([.. Head, ("grpc-status", status), ("grpc-message", message)], null, null));
        await AssertStatusAsync(expected, Answer(Head, [], [("grpc-status", status), ("grpc-message", message)]));
    }

    [Fact]
    public async Task A_stated_status_counts_more_than_the_http_status() =>
        await AssertStatusAsync(StatusCode.Aborted, Answer([(":status", "503"), ("content-type", "application/grpc"), ("grpc-status", "10")], null, null));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Binary_metadata_that_is_not_base64_fails_the_call(bool inTrailers) => await AssertStatusAsync(
        StatusCode.Internal, inTrailers ? Answer(Head, Message, [.. Ok, ("x-bin", "!!!")]) : Answer([.. Head, ("x-bin", "!!!")], Message, Ok));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_header_that_is_no_metadata_is_passed_over(bool inTrailers)
    {
        (string, string)[] odd = [("x!y", "1"), ("x~y-bin", "q6ur"), ("x-kept", "2")];
        await using var server = new RawServer(Answer(inTrailers ? Head : [.. Head, .. odd], Message, inTrailers ? [.. Ok, .. odd] : Ok));
        using GrpcChannel channel = Connect(server.Url);
        using AsyncUnaryCall<SimpleResponse> call = new TestService.TestServiceClient(channel).UnaryCallAsync(new SimpleRequest());

        await call;
        Assert.Equal("2", (inTrailers ? call.GetTrailers() : await call.ResponseHeadersAsync).GetValue("x-kept"));
    }

    // Not the server's fault, and no better on another try.
    [Theory]
    [InlineData("caf\u00e9")]
    [InlineData("a\r\nb: c")]
    [InlineData("a\u0000b")]
    public async Task A_value_that_no_header_can_carry_is_not_sent(string value)
    {
        await using var server = new RawServer(Good);
        using GrpcChannel channel = Connect(server.Url);
        RpcException failure = await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(channel).UnaryCallAsync(new SimpleRequest(), new Metadata { { "x-text", value } }).ResponseAsync);

        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        await AssertServesAsync(channel);
    }

    // RFC 9113, 8.1: a server may answer before the request has ended, and then asks with NO_ERROR that no more be sent.
    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    public async Task An_answer_before_the_requests_end_counts(int status)
    {
        await using var server = new RawServer(async (frames, stream, stopping) =>
        {
            await Answer(Head, status == 0 ? GrpcBytes.Message(new StreamingInputCallResponse { AggregatedPayloadSize = 5 }) : [],
                [("grpc-status", status.ToString(CultureInfo.InvariantCulture))])(frames, stream, stopping);
            await frames.ResetAsync(stream, 0, stopping);
        });
        using GrpcChannel channel = Connect(server.Url);
        using AsyncClientStreamingCall<StreamingInputCallRequest, StreamingInputCallResponse> call = new TestService.TestServiceClient(channel).StreamingInputCall();

        if (status == 0)
        {
            Assert.Equal(5, (await call.ResponseAsync).AggregatedPayloadSize);
        }
        else
        {
            Assert.Equal((StatusCode)status, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).StatusCode);
        }

        Assert.Equal((StatusCode)status, call.GetStatus().StatusCode);
        RpcException late = await Assert.ThrowsAsync<RpcException>(() => call.RequestStream.WriteAsync(new StreamingInputCallRequest()));
        Assert.Equal((StatusCode)status, late.StatusCode);
    }

    [Fact]
    public async Task A_server_that_no_longer_answers_pings_is_unavailable()
    {
        await using var server = new RawServer((_, _, stopping) => Task.Delay(Timeout.Infinite, stopping), Good);
        using var channel = GrpcChannel.ForAddress(server.Url, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                KeepAlivePingDelay = TimeSpan.FromSeconds(1), // the least that is possible
                KeepAlivePingTimeout = TimeSpan.FromSeconds(1),
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            },
            DisposeHttpClient = true,
        });
        var client = new TestService.TestServiceClient(channel);

        var failure = await Assert.ThrowsAsync<RpcException>(async () => await client.UnaryCallAsync(new SimpleRequest()));

        Assert.Equal(StatusCode.Unavailable, failure.StatusCode);
        Assert.True(await ServesAsync(client));
        Assert.True(server.Accepted >= 2);
    }

    [Fact]
    public async Task A_connection_lost_within_a_response_is_unavailable() => await AssertStatusAsync(StatusCode.Unavailable, async (frames, stream, stopping) =>
    {
        await frames.SendHeadersAsync(stream, Head, end: false, stopping);
        await frames.SendDataAsync(stream, Message.AsMemory(0, 7), end: false, stopping);
        frames.Dispose();
    });

    [Fact]
    public async Task A_connection_lost_before_the_response_is_unavailable() => await AssertStatusAsync(StatusCode.Unavailable, (frames, _, _) =>
    {
        frames.Dispose();
        return Task.CompletedTask;
    });

    [Fact]
    public async Task A_connection_that_goes_away_finishes_its_calls_and_takes_no_more()
    {
        await using var server = new RawServer(
            async (frames, stream, stopping) =>
            {
                await frames.SendHeadersAsync(stream, Head, end: false, stopping);
                await frames.GoAwayAsync(stream, 0, stopping);
                await frames.SendDataAsync(stream, Message, end: false, stopping);
                await frames.SendHeadersAsync(stream, Ok, end: true, stopping);
            },
            Good);
        using GrpcChannel channel = Connect(server.Url);

        await AssertServesAsync(channel);
        await AssertServesAsync(channel);
        Assert.Equal(2, server.Accepted);
    }

    // What a server does that is stopped before its calls have ended. 0x2: a server in trouble; 0xb: too many pings.
    [Theory]
    [InlineData(0x0)]
    [InlineData(0x2)]
    [InlineData(0xb)]
    public async Task A_connection_that_goes_away_and_closes_within_a_response_is_unavailable(uint error) =>
        await AssertStatusAsync(StatusCode.Unavailable, async (frames, stream, stopping) =>
        {
            await frames.SendHeadersAsync(stream, Head, end: false, stopping);
            await frames.SendDataAsync(stream, Message.AsMemory(0, 7), end: false, stopping);
            await frames.GoAwayAsync(stream, error, stopping);
            frames.Dispose();
        });

    [Fact]
    public async Task A_call_that_a_leaving_connection_has_not_begun_is_made_again_on_another()
    {
        await using var server = new RawServer(
            async (frames, stream, stopping) =>
            {
                // A client that still sends when the connection is closed may learn of that first.
                while (await frames.ReadAsync(stopping) is { } frame && !(frame.Stream == stream && frame.EndsStream))
                {
                    await frames.AnswerAsync(frame, stopping);
                }

                await frames.GoAwayAsync(stream - 1, 0, stopping);
                frames.Dispose();
            },
            Good);
        using GrpcChannel channel = Connect(server.Url);

        await AssertServesAsync(channel);
        Assert.Equal(2, server.Accepted);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_unavailable()
    {
        using var deaf = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp); // keeps the port from others, but does not listen
        deaf.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using GrpcChannel channel = Connect($"http://{deaf.LocalEndPoint}");

        Assert.Equal(StatusCode.Unavailable, (await FailureAsync(channel)).StatusCode);
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n")]
    public async Task A_server_that_speaks_another_protocol_is_unavailable(string greeting)
    {
        await using var server = new RawServer(async (frames, _, stopping) =>
        {
            await frames.SendRawAsync(System.Text.Encoding.ASCII.GetBytes(greeting), stopping);
            frames.Dispose();
        }, Good);
        using GrpcChannel channel = Connect(server.Url);

        Assert.Equal(StatusCode.Unavailable, (await FailureAsync(channel)).StatusCode);
        await AssertServesAsync(channel);
    }

    [Fact]
    public async Task A_server_that_stays_silent_does_not_outlast_the_deadline()
    {
        bool speaks = false; // the deadline may pass before the call has reached the server
        await using var server = new RawServer((frames, stream, stopping) => Volatile.Read(ref speaks) ? Good(frames, stream, stopping) : Task.CompletedTask);
        using GrpcChannel channel = Connect(server.Url);

        RpcException failure = await FailureAsync(channel, TimeProvider.System.GetUtcNow().UtcDateTime.AddMilliseconds(50));
        Assert.Equal(StatusCode.DeadlineExceeded, failure.StatusCode);
        Volatile.Write(ref speaks, true);
        await AssertServesAsync(channel);
    }

    /// <summary>A whole response; without body and trailers, the head is all.</summary>
    private static Script Answer((string, string)[] head, byte[]? body, (string, string)[]? trailers) => async (frames, stream, stopping) =>
    {
        await frames.SendHeadersAsync(stream, head, end: body is null, stopping);
        if (body is not null)
        {
            await frames.SendDataAsync(stream, body, end: trailers is null, stopping);
        }

        if (trailers is not null)
        {
            await frames.SendHeadersAsync(stream, trailers, end: true, stopping);
        }
    };

    private static GrpcChannel Connect(string url) => GrpcChannel.ForAddress(url, new GrpcChannelOptions { MaxReceiveMessageSize = MostBytes });

    /// <summary>Asserts the status of a unary and of a streamed call, and that the channel's next call gets through.</summary>
    private static async Task AssertStatusAsync(StatusCode expected, Script script)
    {
        await using var server = new RawServer(script, Good);
        using GrpcChannel channel = Connect(server.Url);

        RpcException failure = await FailureAsync(channel);
        Assert.True(expected == failure.StatusCode, failure.Status.ToString());
        await AssertServesAsync(channel);
    }

    /// <summary>Whether a call gets through; a connection whose pings a busy machine answers too late is given up for another.</summary>
    private static async Task<bool> ServesAsync(TestService.TestServiceClient client)
    {
        for (int attempt = 0; attempt < 20; attempt++)
        {
            try
            {
                return await client.UnaryCallAsync(new SimpleRequest()) is not null;
            }
            catch (RpcException failure) when (failure.StatusCode == StatusCode.Unavailable)
            {
            }
        }

        return false;
    }

    private static Task<RpcException> FailureAsync(GrpcChannel channel, DateTime? deadline = null) =>
        Assert.ThrowsAsync<RpcException>(() => new TestService.TestServiceClient(channel).UnaryCallAsync(new SimpleRequest(), deadline: deadline).ResponseAsync);

    private static async Task AssertServesAsync(GrpcChannel channel) =>
        Assert.Equal(10, (await new TestService.TestServiceClient(channel).UnaryCallAsync(new SimpleRequest())).Payload.Body.Length);
}
