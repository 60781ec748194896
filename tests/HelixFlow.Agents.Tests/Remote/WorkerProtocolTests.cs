using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Http;
using HelixFlow.Schemas.Agents.V1;
using LeaseState = HelixFlow.Schemas.Agents.V1.LeaseState;
using RunOptions = HelixFlow.Agents.Journal.RunOptions;
using RunState = HelixFlow.Agents.Journal.RunState;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>The protocol as schemas/proto/helixflow/agents/v1/worker.proto tells it to authors of workers.</summary>
public sealed class WorkerProtocolTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, StatusCode.Unauthenticated, "KEY_MISSING")]
    [InlineData("nobody", StatusCode.Unauthenticated, "KEY_INVALID")]
    [InlineData("p", StatusCode.PermissionDenied, "SCOPE_MISSING")]
    public async Task Only_keys_for_workers_are_let_in(string? key, StatusCode code, string reason)
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using GrpcChannel channel = WorkerChannel.Open(server.WorkerAddress, key);
        var client = new Workers.WorkersClient(channel.CreateCallInvoker());

        await RefusedAsync(code, reason, () => client.ClaimAsync(new ClaimRequest { Worker = "w", Most = 1 }, cancellationToken: Token).ResponseAsync);
        using AsyncServerStreamingCall<WorkerHint> watch = client.Watch(new WatchRequest { Worker = "w" }, cancellationToken: Token);
        await RefusedAsync(code, reason, () => watch.ResponseStream.MoveNext(Token));
        using AsyncServerStreamingCall<ValueChunk> read = client.ReadValue(new ReadValueRequest { Hash = "h" }, cancellationToken: Token);
        await RefusedAsync(code, reason, () => read.ResponseStream.MoveNext(Token));
    }

    [Fact]
    public async Task A_step_is_done_once_and_its_record_is_found_again()
    {
        await using var peer = await Peer.StartAsync();
        await peer.Server.SubmitAsync();
        Schemas.Agents.V1.Lease lease = (await peer.ClaimAsync()).Lease;
        GetStepRequest ask = Step(lease, "part/1", """{"b":1,"a":2}""");
        GetStepResponse first = await peer.Client.GetStepAsync(ask, cancellationToken: Token);
        Assert.Equal($"{lease.RunId}/part/1", first.ExecuteKey);
        var put = new PutStepRequest { Lease = lease, Address = "part/1", Digest = first.Digest, Effect = Effect.Recorded, OutputJson = Json("{\"y\": 1.0}") };
        await peer.Client.PutStepAsync(put, cancellationToken: Token);
        await peer.Client.PutStepAsync(put, cancellationToken: Token); // its answer may have been lost

        GetStepResponse again = await peer.Client.GetStepAsync(Step(lease, "part/1", """{ "a": 2, "b": 1 }"""), cancellationToken: Token); // the same value
        Assert.Equal((first.Digest, """{"y":1}"""), (again.Digest, again.OutputJson.ToStringUtf8()));
        Assert.Single((await peer.Server.Journal.EventsAsync("p", lease.RunId, 0, 100, Token)).Select(static numbered => numbered.Event), static happened => happened is JournalEvent.StepSucceeded);
        await RefusedAsync(StatusCode.FailedPrecondition, "REPLAY_MISMATCH", () => peer.Client.GetStepAsync(Step(lease, "part/1", "3"), cancellationToken: Token).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, "INVALID_FIELD", () => peer.Client.GetStepAsync(Step(lease, "part/2", "{no json"), cancellationToken: Token).ResponseAsync);
        await RefusedAsync(StatusCode.InvalidArgument, "INVALID_FIELD", () => peer.Client.GetStepAsync(new GetStepRequest { Address = "a", Executor = "e" }, cancellationToken: Token).ResponseAsync);
        await Journal.Ledger.CheckAsync(peer.Server.Database, Token);
    }

    [Fact]
    public async Task A_digest_is_the_one_that_a_worker_of_this_program_computes()
    {
        await using var peer = await Peer.StartAsync();
        await peer.Server.SubmitAsync();
        Schemas.Agents.V1.Lease lease = (await peer.ClaimAsync()).Lease;
        foreach (string input in (string[])["""{"a":1}""", $"\"{new string('x', 1_000)}\""])
        {
            Assert.Equal(
                Agents.Values.ActionDigest.OfStep("translate", 1, Encoding.UTF8.GetBytes(input), "p"),
                (await peer.Client.GetStepAsync(Step(lease, input[^6..], input), cancellationToken: Token)).Digest);
        }
    }

    [Fact]
    public async Task An_unsafe_step_of_a_lost_worker_parks_its_run_and_the_answer_that_was_lost_does_not()
    {
        await using var peer = await Peer.StartAsync();
        string id = await peer.Server.SubmitAsync();
        Schemas.Agents.V1.Lease lease = (await peer.ClaimAsync()).Lease;
        GetStepRequest ask = Step(lease, "send", "1", Effect.Unsafe);
        Assert.NotEmpty((await peer.Client.GetStepAsync(ask, cancellationToken: Token)).ExecuteKey);
        Assert.NotEmpty((await peer.Client.GetStepAsync(ask, cancellationToken: Token)).ExecuteKey); // asked again by the same attempt
        peer.Server.Journal.ClockSkewMs += 31_000;
        await peer.Server.Journal.TickAsync(10, Token);

        Assert.Equal(RunState.Parked, (await peer.Server.Journal.GetAsync("p", id, Token))!.State);
        await RefusedAsync(StatusCode.Aborted, "LEASE_LOST", () => peer.Client.GetStepAsync(ask, cancellationToken: Token).ResponseAsync);
        await Journal.Ledger.CheckAsync(peer.Server.Database, Token);
    }

    [Fact]
    public async Task Pure_steps_are_shared_within_a_project_and_a_fork_takes_over_what_still_fits()
    {
        await using var peer = await Peer.StartAsync();
        string source = await peer.Server.SubmitAsync();
        Schemas.Agents.V1.Lease first = (await peer.ClaimAsync()).Lease;
        await peer.DoAsync(first, "pure", Effect.Pure, "1", "10");
        await peer.DoAsync(first, "recorded", Effect.Recorded, "2", "20");
        await peer.DoAsync(first, "unsafe", Effect.Unsafe, "3", "30");
        await peer.Client.CompleteAsync(new CompleteRequest { Lease = first, OutputJson = Json("0") }, cancellationToken: Token);

        await peer.Server.SubmitAsync(name: "Other");
        Schemas.Agents.V1.Lease other = (await peer.ClaimAsync()).Lease;
        Assert.Equal("10", (await peer.Client.GetStepAsync(Step(other, "elsewhere", "1", Effect.Pure), cancellationToken: Token)).OutputJson.ToStringUtf8());
        Assert.NotEmpty((await peer.Client.GetStepAsync(Step(other, "recorded", "2"), cancellationToken: Token)).ExecuteKey);
        await peer.Server.SubmitAsync("q");
        Schemas.Agents.V1.Lease foreign = (await peer.ClaimAsync()).Lease;
        Assert.NotEmpty((await peer.Client.GetStepAsync(Step(foreign, "elsewhere", "1", Effect.Pure), cancellationToken: Token)).ExecuteKey);

        await peer.Server.Journal.RequestAsync(new RunRequest { Project = "p", Type = "greet", Input = "{\"name\":\"World\"}"u8.ToArray(), ForkOf = source }, Token);
        Schemas.Agents.V1.Lease fork = (await peer.ClaimAsync()).Lease;
        Assert.Equal("20", (await peer.Client.GetStepAsync(Step(fork, "recorded", "2"), cancellationToken: Token)).OutputJson.ToStringUtf8());
        Assert.NotEmpty((await peer.Client.GetStepAsync(Step(fork, "unsafe", "3", Effect.Unsafe), cancellationToken: Token)).ExecuteKey);
        List<StepRecord> steps = await peer.Server.Journal.StepsAsync("p", fork.RunId, Token);
        Assert.Equal(Agents.Journal.StepSource.Fork, Assert.Single(steps, static step => step.Address == "recorded").Source);
        await Journal.Ledger.CheckAsync(peer.Server.Database, Token);
    }

    [Fact]
    public async Task A_claim_waits_for_a_run_and_tells_how_long()
    {
        await using var peer = await Peer.StartAsync();
        Task<ClaimResponse> waiting = peer.Client.ClaimAsync(peer.Ask(waitMs: 60_000), cancellationToken: Token).ResponseAsync;
        await Task.Delay(50, Token);
        Assert.False(waiting.IsCompleted);
        await peer.Server.SubmitAsync();

        ClaimResponse response = await waiting.WaitAsync(Guard, Token);
        Assert.Single(response.Claims);
        Assert.InRange(response.WaitedMs, 1, 120_000);
        Assert.Empty((await peer.Client.ClaimAsync(peer.Ask(waitMs: 1), cancellationToken: Token)).Claims);
    }

    [Fact]
    public async Task A_run_that_was_claimed_for_a_worker_that_has_left_is_handed_back()
    {
        await using var peer = await Peer.StartAsync();
        await peer.Client.RegisterAsync(new RegisterRequest { Worker = "w", Slots = 1 }, cancellationToken: Token);
        string id = await peer.Server.SubmitAsync();
        Assert.Single((await peer.Client.ClaimAsync(peer.Ask(), cancellationToken: Token)).Claims); // an answer that never comes

        Assert.Equal(1, (await peer.Client.LeaveAsync(new LeaveRequest { Worker = "w" }, cancellationToken: Token)).HandedBack);
        RunRecord run = (await peer.Server.Journal.GetAsync("p", id, Token))!;
        Assert.Equal((RunState.Ready, 0), (run.State, run.Attempt));
    }

    [Fact]
    public async Task A_claim_takes_no_more_of_a_type_than_there_is_room_for()
    {
        await using var peer = await Peer.StartAsync();
        for (int i = 0; i < 5; i++)
        {
            await peer.Server.SubmitAsync();
            await peer.Server.Journal.RequestAsync(new RunRequest { Project = "p", Type = "other", Input = "1"u8.ToArray() }, Token);
        }

        var ask = new ClaimRequest { Worker = "w", Most = 6, Types_ = { new TypeRoom { Type = "greet", Most = 2 }, new TypeRoom { Type = "other", Most = 100 }, new TypeRoom { Type = "none", Most = 0 } } };
        ClaimResponse response = await peer.Client.ClaimAsync(ask, cancellationToken: Token);
        Assert.Equal(["greet", "greet", "other", "other", "other", "other"], response.Claims.Select(static claim => claim.Run.Type).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_heartbeat_tells_of_each_run_what_has_become_of_it()
    {
        await using var peer = await Peer.StartAsync();
        string[] ids = [await peer.Server.SubmitAsync(), await peer.Server.SubmitAsync(name: "B"), await peer.Server.SubmitAsync(name: "C")];
        ClaimResponse claimed = await peer.Client.ClaimAsync(peer.Ask(most: 3), cancellationToken: Token);
        await peer.Server.Journal.CancelAsync("p", claimed.Claims[1].Run.Id, "someone", Token);
        await peer.Client.HandBackAsync(new HandBackRequest { Lease = claimed.Claims[2].Lease }, cancellationToken: Token);
        var beat = new HeartbeatRequest { Leases = { claimed.Claims.Select(static claim => claim.Lease) } };

        Assert.Equal([LeaseState.Held, LeaseState.CancelRequested, LeaseState.Lost], (await peer.Client.HeartbeatAsync(beat, cancellationToken: Token)).States);
        await peer.Client.CancelledAsync(new CancelledRequest { Lease = claimed.Claims[1].Lease }, cancellationToken: Token);
        Assert.Equal(RunState.Cancelled, (await peer.Server.Journal.GetAsync("p", claimed.Claims[1].Run.Id, Token))!.State);
        Assert.Equal(3, ids.Length);
    }

    [Fact]
    public async Task A_type_whose_schema_cannot_be_checked_is_refused_with_its_name()
    {
        await using var peer = await Peer.StartAsync();
        var request = new RegisterRequest { Worker = "w", Types_ = { new JobType { Name = "paint", InputSchemaJson = Json("""{"type":"colour"}""") } } };

        RpcException refused = await RefusedAsync(StatusCode.InvalidArgument, "INVALID_FIELD", () => peer.Client.RegisterAsync(request, cancellationToken: Token).ResponseAsync);
        Assert.Contains("paint", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Empty(await peer.Server.Journal.WorkersAsync(Token));
    }

    [Fact]
    public async Task Types_that_only_workers_have_are_listed_and_checked_and_tried_as_they_say_while_the_worker_is_away()
    {
        await using var peer = await Peer.StartAsync();
        var type = new JobType
        {
            Name = "paint", Description = "Paints.", InputSchemaJson = Json("""{"type":"object","required":["colour"]}"""), Options = new() { MaxAttempts = 9 },
        };
        var greet = new JobType { Name = "greet", Description = "Another greeting.", InputSchemaJson = Json("""{"type":"string"}""") };
        await peer.Client.RegisterAsync(new RegisterRequest { Worker = "w", Types_ = { type, greet } }, cancellationToken: Token);
        await peer.Client.LeaveAsync(new LeaveRequest { Worker = "w" }, cancellationToken: Token);
        using HttpClient client = peer.Server.Client();
        JsonElement types = (await client.AskAsync("job-types")).Body.GetProperty("data");

        Assert.Equal("Paints.", types.EnumerateArray().Single(static known => known.Text("name") == "paint").Text("description"));
        Assert.Equal("Greets somebody.", types.EnumerateArray().Single(static known => known.Text("name") == "greet").Text("description")); // the host's own stays
        Assert.Equal("invalid_input", (await client.PostAsync("jobs", """{"type":"paint","input":{}}""")).Body.Text("code"));
        (int status, JsonElement job) = await client.PostAsync("jobs", """{"type":"paint","input":{"colour":"red"},"options":{"backoff_ms":5}}""");
        Assert.Equal((201, 9, 5), (status, job.GetProperty("options").GetProperty("max_attempts").GetInt32(), job.GetProperty("options").GetProperty("backoff_ms").GetInt32()));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(5_000_000)]
    public async Task A_file_is_kept_once_with_the_run_that_has_made_it(int length)
    {
        await using var peer = await Peer.StartAsync();
        string id = await peer.Server.SubmitAsync();
        Schemas.Agents.V1.Lease lease = (await peer.ClaimAsync()).Lease;
        byte[] content = new byte[length];
        new Random(1).NextBytes(content);

        PutArtifactResponse kept = await peer.PutAsync(lease, "a.bin", content);
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)), kept.Hash);
        Assert.Equal(kept.Hash, (await peer.PutAsync(lease, "a.bin", content)).Hash);
        Artifact artifact = Assert.Single(await peer.Server.Journal.ArtifactsAsync("p", id, Token));
        Assert.Equal(("a.bin", kept.Hash, (long)length, "application/x-test"), (artifact.Name, artifact.Hash, artifact.Length, artifact.ContentType));
        Assert.Equal(content, await peer.Server.Journal.ReadAsync(kept.Hash, Token));
        FindValueResponse found = await peer.Client.FindValueAsync(new FindValueRequest { Project = "p", RunId = id, Hash = kept.Hash }, cancellationToken: Token);
        Assert.Equal((true, (long)length, false), (found.HasLength, found.Length, found.IsJson));
        await RefusedAsync(StatusCode.FailedPrecondition, "REPLAY_MISMATCH", () => peer.PutAsync(lease, "a.bin", [1]));
        await RefusedAsync(StatusCode.InvalidArgument, "INVALID_FIELD", () => peer.PutAsync(lease, "../a", [1]));
        await peer.Client.HandBackAsync(new HandBackRequest { Lease = lease }, cancellationToken: Token);
        await RefusedAsync(StatusCode.Aborted, "LEASE_LOST", () => peer.PutAsync(lease, "b.bin", [1]));
        await Journal.Ledger.CheckAsync(peer.Server.Database, Token);
    }

    [Fact]
    public async Task A_database_that_cannot_be_reached_is_unavailable_and_changes_nothing()
    {
        await using AgentServer server = await AgentServer.StartFailingAsync();
        using GrpcChannel channel = WorkerChannel.Open(server.WorkerAddress, "w");
        var client = new Workers.WorkersClient(channel.CreateCallInvoker());
        server.Database.Refuse(1);

        await RefusedAsync(StatusCode.Unavailable, "STORAGE_UNAVAILABLE", () => client.RegisterAsync(new RegisterRequest { Worker = "w" }, cancellationToken: Token).ResponseAsync);
        await client.RegisterAsync(new RegisterRequest { Worker = "w" }, cancellationToken: Token);
    }

    [Fact]
    public async Task Paths_that_are_no_method_of_the_protocol_are_not_there()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        using HttpClient client = server.Client();

        Assert.Equal(404, (int)(await client.PostAsync(new Uri("/helixflow.agents.v1.Workers/Nothing", UriKind.Relative), null, Token)).StatusCode);
    }

    private static GetStepRequest Step(Schemas.Agents.V1.Lease lease, string address, string input, Effect effect = Effect.Recorded) => new()
    {
        Lease = lease, Address = address, Executor = "translate", Version = 1, Effect = effect, InputJson = Json(input),
    };

    private static ByteString Json(string text) => ByteString.CopyFromUtf8(text);

    private static async Task<RpcException> RefusedAsync(StatusCode code, string reason, Func<Task> call)
    {
        RpcException refused = await Assert.ThrowsAsync<RpcException>(call);
        Assert.Equal(code, refused.StatusCode);
        var status = Google.Rpc.Status.Parser.ParseFrom(refused.Trailers.GetValueBytes("grpc-status-details-bin"));
        ErrorInfo error = status.Details[0].Unpack<ErrorInfo>();
        Assert.Equal((reason, "helixflow.agents", (int)code), (error.Reason, error.Domain, status.Code));
        return refused;
    }

    private sealed class Peer(AgentServer server) : IAsyncDisposable
    {
        private readonly GrpcChannel _channel = WorkerChannel.Open(server.WorkerAddress, "w");

        public AgentServer Server => server;

        public Workers.WorkersClient Client => field ??= new Workers.WorkersClient(_channel.CreateCallInvoker());

        public static async Task<Peer> StartAsync() => new(await AgentServer.StartAsync());

        public ClaimRequest Ask(int most = 1, int waitMs = 0) => new() { Worker = "w", Most = most, WaitMs = waitMs, Types_ = { new TypeRoom { Type = "greet", Most = most } } };

        public async Task<Schemas.Agents.V1.Claim> ClaimAsync() => Assert.Single((await Client.ClaimAsync(Ask(), cancellationToken: Token)).Claims);

        public async Task DoAsync(Schemas.Agents.V1.Lease lease, string address, Effect effect, string input, string output)
        {
            GetStepResponse step = await Client.GetStepAsync(Step(lease, address, input, effect), cancellationToken: Token);
            Assert.NotEmpty(step.ExecuteKey);
            await Client.PutStepAsync(new PutStepRequest { Lease = lease, Address = address, Digest = step.Digest, Effect = effect, OutputJson = Json(output) }, cancellationToken: Token);
        }

        public async Task<PutArtifactResponse> PutAsync(Schemas.Agents.V1.Lease lease, string name, byte[] content)
        {
            using AsyncClientStreamingCall<ArtifactPart, PutArtifactResponse> call = Client.PutArtifact(cancellationToken: Token);
            try
            {
                await call.RequestStream.WriteAsync(new ArtifactPart { Header = new ArtifactHeader { Lease = lease, Name = name, ContentType = "application/x-test" } }, Token);
                foreach (byte[] chunk in content.Chunk(100_000))
                {
                    await call.RequestStream.WriteAsync(new ArtifactPart { Content = ByteString.CopyFrom(chunk) }, Token);
                }

                await call.RequestStream.CompleteAsync();
            }
            catch (Exception exception) when (exception is RpcException or InvalidOperationException)
            {
                // Refused before all was sent.
            }

            return await call.ResponseAsync;
        }

        public async ValueTask DisposeAsync()
        {
            _channel.Dispose();
            await server.DisposeAsync();
        }
    }
}
