using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Testing;
using HelixFlow.Grpc.Tests.Interop;
using HelixFlow.Grpc.Tests.Wire;

namespace HelixFlow.Grpc.Tests.Hostile;

/// <summary>A server that serves.</summary>
public sealed class HostileClientServer : IAsyncLifetime
{
    internal const int MostBytes = 1024 * 1024;

    internal InteropServer Limited { get; private set; } = null!;

    internal InteropServer Unlimited { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Limited = await InteropServer.StartAsync(mostBytes: MostBytes);
        Unlimited = await InteropServer.StartAsync(mostBytes: null);
    }

    public async ValueTask DisposeAsync()
    {
        await Limited.DisposeAsync();
        await Unlimited.DisposeAsync();
    }
}

/// <summary>Tests that measure what the whole process allocates: no other may run beside them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>What clients send that know no manners: each call ends with the status that gRPC's documents prescribe, and the next one is served.</summary>
[Collection(nameof(Alone))]
public sealed class HostileClientTests(HostileClientServer servers) : IClassFixture<HostileClientServer>
{
    private const string Unary = "UnaryCall";
    private const string Streaming = "StreamingInputCall";
    private const int TrialCount = 300;

    private static readonly byte[] Empty = GrpcBytes.Message(new Empty());

    public static TheoryData<string> ForeignContentTypes => ["text/plain", "application/json", "application/grpcx", "application/grp", ""];

    public static TheoryData<string> Timeouts => ["", "S", "10", "1x", "-1S", "+1S", " 1S", "1 S", "123456789S", "1.5S", "٣S", "S1"];

    public static TheoryData<string, byte[], StatusCode> Messages => new()
    {
        { "nothing at all", [], StatusCode.Unimplemented },
        { "two messages where one belongs", [.. Empty, .. Empty], StatusCode.Unimplemented },
        { "three bytes of a header", [0, 0, 0], StatusCode.Internal },
        { "ten bytes of a hundred", GrpcBytes.Message(new byte[10], length: 100), StatusCode.Internal },
        { "a message and half a header", [.. Empty, 0, 0], StatusCode.Internal },
        { "bytes that are no message", GrpcBytes.Message([0xff, 0xff, 0xff]), StatusCode.Internal },
        { "an unknown flag", GrpcBytes.Message([], flag: 2), StatusCode.Internal },
        { "all flags", GrpcBytes.Message([], flag: 255), StatusCode.Internal },
        { "a compressed message without an encoding", GrpcBytes.Message(GrpcBytes.Gzip([]), flag: 1), StatusCode.Internal },
        { "more than the limit", GrpcBytes.Message(new byte[10], length: HostileClientServer.MostBytes + 1), StatusCode.ResourceExhausted },
        { "four billion bytes, allegedly", GrpcBytes.Message(new byte[10], length: uint.MaxValue), StatusCode.ResourceExhausted },
    };

    public static TheoryData<string, byte[], StatusCode> CompressedMessages => new()
    {
        { "no gzip", GrpcBytes.Message([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], flag: 1), StatusCode.Internal },
        { "no bytes at all", GrpcBytes.Message([], flag: 1), StatusCode.Internal },
        { "half of a gzip stream", GrpcBytes.Message(GrpcBytes.Gzip(Request(1000))[..^12], flag: 1), StatusCode.Internal },
        { "gzip without its last byte", GrpcBytes.Message(GrpcBytes.Gzip(Request(1000))[..^1], flag: 1), StatusCode.Internal },
        { "a wrong checksum", GrpcBytes.Message(WithWrongChecksum(GrpcBytes.Gzip(Request(1000))), flag: 1), StatusCode.Internal },
        { "a bomb", GrpcBytes.Message(GrpcBytes.Gzip(Request(256 * 1024 * 1024)), flag: 1), StatusCode.ResourceExhausted },
    };

    [Theory]
    [MemberData(nameof(ForeignContentTypes))]
    public async Task A_foreign_content_type_is_refused(string contentType)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, ("content-type", contentType.Length == 0 ? null : contentType)), Empty);

        Assert.Equal(415, response.HttpStatus);
    }

    [Theory]
    [InlineData("application/grpc+proto")]
    [InlineData("application/grpc;charset=utf-8")]
    public async Task A_content_type_that_says_more_is_served(string contentType)
    {
        RawResponse response = await CallAsync(RawClient.Head("EmptyCall", ("content-type", contentType)), Empty);

        Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    public async Task Another_method_than_post_is_refused(string method)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, (":method", method)), []);

        Assert.Equal(405, response.HttpStatus);
    }

    // The header tells proxies that do not know trailers from those that do; a server that has got the call has nothing to lose by serving it.
    [Fact]
    public async Task A_client_without_te_is_served()
    {
        RawResponse response = await CallAsync(RawClient.Head("EmptyCall", ("te", null)), Empty);

        Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
        Assert.Equal(Empty, response.Body);
    }

    [Theory]
    [MemberData(nameof(Timeouts))]
    public async Task A_malformed_timeout_fails_the_call(string timeout)
    {
        RawResponse response = await CallAsync(RawClient.Head("EmptyCall", ("grpc-timeout", timeout)), Empty);

        Assert.Equal((int)StatusCode.Internal, response.GrpcStatus);
    }

    [Theory]
    [InlineData("99999999H")]
    [InlineData("99999999S")]
    [InlineData("00000001H")]
    public async Task A_long_timeout_is_served(string timeout)
    {
        RawResponse response = await CallAsync(RawClient.Head("EmptyCall", ("grpc-timeout", timeout)), Empty);

        Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
    }

    [Fact]
    public async Task A_deadline_that_has_passed_ends_the_call_although_the_client_sends_nothing()
    {
        using RawClient client = await RawClient.ConnectAsync(servers.Limited.Address);
        RawResponse response = await client.ReadAsync(await client.OpenAsync(RawClient.Head(Streaming, ("grpc-timeout", "1n"))));

        Assert.Equal((int)StatusCode.DeadlineExceeded, response.GrpcStatus);
        await AssertServesAsync(servers.Limited, client);
    }

    [Theory]
    [InlineData("!!!!")]
    [InlineData("q6ur=")]
    [InlineData("q6u*")]
    [InlineData("abcde")]
    public async Task Binary_metadata_that_is_not_base64_fails_the_call(string value)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, (InteropService.TrailingKey, value)), GrpcBytes.Message(new SimpleRequest()));

        Assert.Equal((int)StatusCode.Internal, response.GrpcStatus);
    }

    [Theory]
    [InlineData("q6ur", "q6ur")]
    [InlineData("q6s=", "q6s")]
    [InlineData("q6s", "q6s")]
    [InlineData("AA==,q6s", "q6s")]
    public async Task Binary_metadata_may_be_padded_or_joined(string value, string echoed)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, (InteropService.TrailingKey, value)), GrpcBytes.Message(new SimpleRequest()));

        Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
        Assert.Equal(echoed, response[InteropService.TrailingKey]?.TrimEnd('='));
    }

    // The handler echoes what it got; what no header can carry costs the call and no more.
    [Theory]
    [InlineData("\u00c3\u00a9")]
    [InlineData("a\u0001b")]
    [InlineData("a\u007fb")]
    public async Task Text_metadata_that_is_not_ascii_costs_the_call(string value)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, (InteropService.InitialKey, value)), GrpcBytes.Message(new SimpleRequest()));

        Assert.Equal((int)StatusCode.Unknown, response.GrpcStatus);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task A_trailer_that_no_header_can_carry_is_an_internal_error(int status)
    {
        var request = new SimpleRequest { ResponseStatus = new EchoStatus { Code = status } };
        RawResponse response = await CallAsync(RawClient.Head(Unary, (InteropService.OddTrailerKey, "1")), GrpcBytes.Message(request));

        Assert.Equal((int)StatusCode.Internal, response.GrpcStatus);
    }

    // Header names may have characters that metadata keys may not.
    [Fact]
    public async Task A_header_that_is_no_metadata_is_passed_over()
    {
        RawResponse response = await CallAsync(
            RawClient.Head(Unary, ("x!y", "1"), ("x~y-bin", "q6ur"), (InteropService.InitialKey, "kept")), GrpcBytes.Message(new SimpleRequest()));

        Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
        Assert.Equal("kept", response[InteropService.InitialKey]);
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public async Task A_wrong_body_has_the_prescribed_status(string what, byte[] body, StatusCode expected)
    {
        RawResponse response = await CallAsync(RawClient.Head("EmptyCall"), body);

        Assert.True((int)expected == response.GrpcStatus, $"{what}: {response.GrpcStatus}");
    }

    [Theory]
    [MemberData(nameof(CompressedMessages))]
    public async Task A_wrong_compressed_body_has_the_prescribed_status(string what, byte[] body, StatusCode expected)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, ("grpc-encoding", "gzip")), body);

        Assert.True((int)expected == response.GrpcStatus, $"{what}: {response.GrpcStatus}");
    }

    [Theory]
    [InlineData("identity", StatusCode.Internal)]
    [InlineData("br", StatusCode.Unimplemented)]
    [InlineData("deflate", StatusCode.Unimplemented)]
    public async Task A_message_compressed_in_another_way_is_refused(string encoding, StatusCode expected)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, ("grpc-encoding", encoding)), GrpcBytes.Message([1, 2, 3], flag: 1));

        Assert.Equal((int)expected, response.GrpcStatus);
        if (expected == StatusCode.Unimplemented)
        {
            string[] accepted = response["grpc-accept-encoding"]!.Split(',');
            Assert.Contains("gzip", accepted);
            Assert.DoesNotContain(encoding, accepted);
        }
    }

    [Fact]
    public async Task A_promised_length_takes_no_memory()
    {
        long before = GC.GetTotalAllocatedBytes();
        RawResponse response = await CallAsync(RawClient.Head(Unary), GrpcBytes.Message(new byte[10], length: int.MaxValue), servers.Unlimited);

        Assert.Equal((int)StatusCode.Internal, response.GrpcStatus);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 256 * 1024 * 1024);
    }

    [Fact]
    public async Task A_bomb_ends_at_the_limit()
    {
        byte[] bomb = GrpcBytes.Message(GrpcBytes.Gzip(Request(512 * 1024 * 1024)), flag: 1);
        long before = GC.GetTotalAllocatedBytes();
        RawResponse response = await CallAsync(RawClient.Head(Unary, ("grpc-encoding", "gzip")), bomb);

        Assert.Equal((int)StatusCode.ResourceExhausted, response.GrpcStatus);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 256 * 1024 * 1024);
    }

    [Theory]
    [InlineData("/grpc.testing.TestService/Nothing")]
    [InlineData("/grpc.testing.TestService/")]
    [InlineData("/nobody.Nowhere/Nothing")]
    public async Task What_is_not_there_is_unimplemented(string path)
    {
        RawResponse response = await CallAsync(RawClient.Head(Unary, (":path", path)), Empty);

        Assert.Equal((int)StatusCode.Unimplemented, response.GrpcStatus);
    }

    [Fact]
    public async Task Messages_may_arrive_in_any_pieces()
    {
        var random = new Random(7);
        byte[] body = [.. Enumerable.Range(0, 20).SelectMany(size => GrpcBytes.Message(new StreamingInputCallRequest { Payload = new Payload { Body = ByteString.CopyFrom(new byte[size * 7]) } }))];
        using RawClient client = await RawClient.ConnectAsync(servers.Limited.Address);
        for (int trial = 0; trial < 20; trial++)
        {
            int stream = await client.OpenAsync(RawClient.Head(Streaming));
            for (int at = 0; at < body.Length;)
            {
                int size = Math.Min(random.Next(trial == 0 ? 2 : 200), body.Length - at);
                await client.Frames.SendDataAsync(stream, body.AsMemory(at, size), end: (at += size) == body.Length, client.Guard);
            }

            RawResponse response = await client.ReadAsync(stream);
            Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
            Assert.Equal(190 * 7, StreamingInputCallResponse.Parser.ParseFrom([.. response.Body.Skip(5)]).AggregatedPayloadSize);
        }
    }

    [Fact]
    public async Task Random_bodies_end_with_a_status_of_the_library()
    {
        int[] prescribed = [(int)StatusCode.OK, (int)StatusCode.Internal, (int)StatusCode.ResourceExhausted, (int)StatusCode.Unimplemented];
        var random = new Random(11);
        using RawClient client = await RawClient.ConnectAsync(servers.Limited.Address);
        for (int trial = 0; trial < TrialCount; trial++)
        {
            byte[] body = new byte[random.Next(64)];
            random.NextBytes(body);
            for (int at = 0; at < Math.Min(4, body.Length); at++)
            {
                body[at] = (byte)(random.Next(4) == 0 ? body[at] : 0); // mostly flags and lengths that go further
            }

            string method = trial % 2 == 0 ? Unary : Streaming;
            int stream = await client.OpenAsync(RawClient.Head(method, ("grpc-encoding", trial % 3 == 0 ? "gzip" : null)));
            await client.Frames.SendDataAsync(stream, body, end: true, client.Guard);
            RawResponse response = await client.ReadAsync(stream);
            Assert.True(prescribed.Contains(response.GrpcStatus ?? -1), $"trial {trial}, {Convert.ToHexString(body)}: {response.GrpcStatus}");
        }

        await AssertServesAsync(servers.Limited, client);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_vanishes_within_a_message_leaves_no_call_behind(bool reset)
    {
        using (RawClient client = await RawClient.ConnectAsync(servers.Limited.Address))
        {
            const uint Cancel = 8;
            int stream = await client.OpenAsync(RawClient.Head(Streaming));
            await client.Frames.SendDataAsync(stream, GrpcBytes.Message(new byte[10], length: 100), end: false, client.Guard);
            if (reset)
            {
                await client.Frames.ResetAsync(stream, Cancel, client.Guard);
                await AssertServesAsync(servers.Limited, client);
            }
        }

        await AssertIdleAsync(servers.Limited);
        await AssertServesAsync(servers.Limited, null);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("200m")]
    public async Task A_client_that_never_reads_leaves_no_call_behind(string? timeout)
    {
        using (RawClient client = await RawClient.ConnectAsync(servers.Limited.Address))
        {
            var request = new StreamingOutputCallRequest { ResponseParameters = { Enumerable.Repeat(new ResponseParameters { Size = 1024 * 1024 }, 64) } };
            int stream = await client.OpenAsync(RawClient.Head("StreamingOutputCall", ("grpc-timeout", timeout)));
            await client.Frames.SendDataAsync(stream, GrpcBytes.Message(request), end: true, client.Guard);
            await AssertServesAsync(servers.Limited, null);
            if (timeout is not null)
            {
                await AssertIdleAsync(servers.Limited); // by the deadline, although the client is still there
            }
        }

        await AssertIdleAsync(servers.Limited);
    }

    // CVE-2023-44487: streams that are opened and reset at once cost the server work, and the client nothing.
    [Fact]
    public async Task A_flood_of_resets_leaves_no_call_behind()
    {
        using (RawClient client = await RawClient.ConnectAsync(servers.Limited.Address))
        {
            try
            {
                for (int i = 0; i < 2000; i++)
                {
                    const uint Cancel = 8;
                    int stream = await client.OpenAsync(RawClient.Head("FullDuplexCall"));
                    await client.Frames.ResetAsync(stream, Cancel, client.Guard);
                }
            }
            catch (IOException)
            {
                // The server may have had enough of this connection.
            }
        }

        await AssertServesAsync(servers.Limited, null);
        await AssertIdleAsync(servers.Limited);
    }

    [Fact]
    public async Task Headers_without_end_are_not_collected()
    {
        string large = new('x', 60_000 / 4);
        RawResponse response;
        using (RawClient client = await RawClient.ConnectAsync(servers.Limited.Address))
        {
            int stream = await client.OpenAsync(RawClient.Head("EmptyCall", ("x-a", large)));
            await client.Frames.SendDataAsync(stream, Empty, end: true, client.Guard);
            response = await client.ReadAsync(stream);
            Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
            stream = await client.OpenAsync(RawClient.Head("EmptyCall", [.. Enumerable.Range(0, 200).Select(i => ("x-" + i.ToString(CultureInfo.InvariantCulture), (string?)new string('y', 70)))]));
            await client.Frames.SendDataAsync(stream, Empty, end: true, client.Guard);
            response = await client.ReadAsync(stream);
        }

        Assert.True(response.Lost || response.Reset is not null || response.HttpStatus == 431);
        await AssertServesAsync(servers.Limited, null);
    }

    private static byte[] Request(int payload) => new SimpleRequest { Payload = new Payload { Body = UnsafeByteOperations.UnsafeWrap(new byte[payload]) } }.ToByteArray();

    private static byte[] WithWrongChecksum(byte[] gzip)
    {
        gzip[^8] ^= 1;
        return gzip;
    }

    /// <summary>Makes the call and, on the same connection, one that is right.</summary>
    private async Task<RawResponse> CallAsync(IEnumerable<(string Name, string Value)> head, byte[] body, InteropServer? server = null)
    {
        server ??= servers.Limited;
        using RawClient client = await RawClient.ConnectAsync(server.Address);
        RawResponse response = await client.CallAsync(head, body);
        Assert.False(response.Lost, "the connection was lost");
        await AssertServesAsync(server, client);
        return response;
    }

    /// <summary>Makes a right call, on a connection of its own when there is none.</summary>
    private static async Task AssertServesAsync(InteropServer server, RawClient? connection)
    {
        using RawClient? own = connection is null ? await RawClient.ConnectAsync(server.Address) : null;
        RawResponse response = await (connection ?? own!).CallAsync(RawClient.Head("EmptyCall"), Empty);
        Assert.Equal(200, response.HttpStatus);
        Assert.Equal((int)StatusCode.OK, response.GrpcStatus);
        Assert.Equal(Empty, response.Body);
    }

    /// <summary>Waits until no handler runs.</summary>
    private static async Task AssertIdleAsync(InteropServer server)
    {
        using var guard = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        while (server.Calls > 0)
        {
            await Task.Delay(10, guard.Token);
        }
    }
}
