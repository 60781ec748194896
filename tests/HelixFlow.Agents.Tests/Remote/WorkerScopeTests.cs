using System.Text.Json;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Tests.Http;
using HelixFlow.Schemas.Agents.V1;
using Lease = HelixFlow.Schemas.Agents.V1.Lease;
using RunError = HelixFlow.Schemas.Agents.V1.RunError;
using RunState = HelixFlow.Agents.Journal.RunState;

namespace HelixFlow.Agents.Tests.Remote;

/// <summary>A worker's key that is limited to a project reaches nothing of another one.</summary>
public sealed class WorkerScopeTests
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(120);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The calls that name a run, a value or a project.</summary>
    public static TheoryData<string> Calls =>
    [
        nameof(Workers.WorkersClient.Heartbeat), nameof(Workers.WorkersClient.GetStep), nameof(Workers.WorkersClient.PutStep), nameof(Workers.WorkersClient.FailStep),
        nameof(Workers.WorkersClient.ReportProgress), nameof(Workers.WorkersClient.TakeSignal), nameof(Workers.WorkersClient.Ask), nameof(Workers.WorkersClient.PutArtifact),
        nameof(Workers.WorkersClient.FindValue), nameof(Workers.WorkersClient.FindArtifact), nameof(Workers.WorkersClient.RequestChild), nameof(Workers.WorkersClient.Suspend),
        nameof(Workers.WorkersClient.Complete), nameof(Workers.WorkersClient.Fail), nameof(Workers.WorkersClient.Cancelled), nameof(Workers.WorkersClient.HandBack),
        nameof(Workers.WorkersClient.ReadValue), nameof(Workers.WorkersClient.LoadSteps), nameof(Workers.WorkersClient.FindCached), nameof(Workers.WorkersClient.BeginStep),
        nameof(Workers.WorkersClient.AdoptSteps),
    ];

    [Fact]
    public void Every_method_of_the_protocol_is_looked_at()
    {
        string[] others = [nameof(Workers.WorkersClient.Register), nameof(Workers.WorkersClient.Leave), nameof(Workers.WorkersClient.Watch), nameof(Workers.WorkersClient.Claim)];
        Assert.Equal(Workers.Descriptor.Methods.Select(static method => method.Name).Order(), Calls.Select(static row => row.Data).Concat(others).Order());
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task A_call_that_names_another_projects_run_is_refused_and_changes_nothing(string method)
    {
        await using Peer peer = await Peer.StartAsync();
        string id = await peer.Server.SubmitAsync("q", Long("World"));
        Lease lease = (await ClaimAsync(peer.All)).Single().Lease;
        RunRecord before = (await peer.Server.Journal.GetAsync("q", id, Token))!;

        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => CallAsync(peer.Limited, method, lease, before));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
        ErrorInfo error = Google.Rpc.Status.Parser.ParseFrom(refused.Trailers.GetValueBytes("grpc-status-details-bin")).Details[0].Unpack<ErrorInfo>();
        Assert.Equal(("PROJECT_FORBIDDEN", "p"), (error.Reason, error.Metadata["project"]));
        Assert.DoesNotContain("'q'", refused.Status.Detail, StringComparison.Ordinal);
        RunRecord after = (await peer.Server.Journal.GetAsync("q", id, Token))!;
        Assert.Equal((before.LastEvent, RunState.Running), (after.LastEvent, after.State));
        await CallAsync(peer.All, method, lease, before); // the same call is fine with a key for all projects
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task A_call_that_names_a_run_of_its_own_project_is_answered(string method)
    {
        await using Peer peer = await Peer.StartAsync();
        string id = await peer.Server.SubmitAsync("p", Long("World"));
        Lease lease = (await ClaimAsync(peer.Limited)).Single().Lease;

        await CallAsync(peer.Limited, method, lease, (await peer.Server.Journal.GetAsync("p", id, Token))!);
    }

    [Fact]
    public async Task A_claim_gives_out_runs_of_its_project_alone_in_their_order()
    {
        await using Peer peer = await Peer.StartAsync();
        string[] others = [await peer.Server.SubmitAsync("q"), await peer.Server.SubmitAsync("q")];
        string[] own = [await peer.Server.SubmitAsync("p", "A"), await peer.Server.SubmitAsync("p", "B")];

        Assert.Equal(own, (await ClaimAsync(peer.Limited, 10)).Select(static claim => claim.Run.Id));
        Assert.Empty(await ClaimAsync(peer.Limited, 10));
        Assert.Equal(others, (await ClaimAsync(peer.All, 10)).Select(static claim => claim.Run.Id));
        await Journal.Ledger.CheckAsync(peer.Server.Database, Token);
    }

    [Fact]
    public async Task A_key_for_all_projects_may_be_an_administrators()
    {
        await using AgentServer server = await AgentServer.StartAsync();
        await server.SubmitAsync("q");
        using GrpcChannel channel = WorkerChannel.Open(server.WorkerAddress, "admin");

        Assert.Single(await ClaimAsync(new Workers.WorkersClient(channel.CreateCallInvoker())));
    }

    [Fact]
    public async Task A_worker_that_leaves_hands_back_runs_of_its_project_alone()
    {
        await using Peer peer = await Peer.StartAsync();
        string own = await peer.Server.SubmitAsync(), other = await peer.Server.SubmitAsync("q");
        Assert.Equal(2, (await ClaimAsync(peer.All, 2)).Count); // by a worker of the same name

        Assert.Equal(1, (await peer.Limited.LeaveAsync(new LeaveRequest { Worker = "w" }, cancellationToken: Token)).HandedBack);
        Assert.Equal(
            (RunState.Ready, RunState.Running), ((await peer.Server.Journal.GetAsync("p", own, Token))!.State, (await peer.Server.Journal.GetAsync("q", other, Token))!.State));
    }

    [Fact]
    public async Task A_worker_of_a_project_is_shown_to_it_alone_and_takes_no_name_from_another()
    {
        await using Peer peer = await Peer.StartAsync();
        await peer.All.RegisterAsync(new RegisterRequest { Worker = "w", Host = "common" }, cancellationToken: Token);
        await peer.Limited.RegisterAsync(new RegisterRequest { Worker = "w", Host = "own" }, cancellationToken: Token);
        await peer.Limited.RegisterAsync(new RegisterRequest { Worker = "own-1", Host = "own" }, cancellationToken: Token);
        using HttpClient p = peer.Server.Client(), q = peer.Server.Client("q");

        Assert.Equal(["own-1 own", "w own"], await WorkersAsync(p));
        Assert.Equal(["w common"], await WorkersAsync(q));
        await peer.Limited.LeaveAsync(new LeaveRequest { Worker = "w" }, cancellationToken: Token);
        Assert.Equal(["w common"], await WorkersAsync(q));

        static async Task<string[]> WorkersAsync(HttpClient client) =>
            [.. (await client.AskAsync("workers")).Body.GetProperty("data").EnumerateArray().Select(static worker => $"{worker.Text("worker")} {worker.Text("host")}")];
    }

    [Fact]
    public async Task A_type_of_a_worker_of_a_project_can_be_asked_for_there_alone_and_changes_no_other_ones()
    {
        await using Peer peer = await Peer.StartAsync();
        using HttpClient p = peer.Server.Client(), q = peer.Server.Client("q");
        await peer.Limited.RegisterAsync(Types("paint", "p's", """{"type":"string"}"""), cancellationToken: Token);
        Assert.Equal(201, (await p.PostAsync("jobs", """{"type":"paint","input":"red"}""")).Status);
        Assert.Equal("invalid_input", (await p.PostAsync("jobs", """{"type":"paint","input":1}""")).Body.Text("code"));
        Assert.Equal("unknown_type", (await q.PostAsync("jobs", """{"type":"paint","input":"red"}""")).Body.Text("code"));
        Assert.Equal("unknown_type", (await q.PostAsync("schedules", """{"name":"s","when":{"every_seconds":60},"job":{"type":"paint","input":"red"}}""")).Body.Text("code"));
        Assert.Equal((true, false), (await ListsAsync(p, "p's"), await ListsAsync(q, "p's")));

        await peer.All.RegisterAsync(Types("paint", "everyone's", """{"type":"integer"}"""), cancellationToken: Token);
        await peer.Limited.RegisterAsync(Types("paint", "p's", """{"type":"string"}"""), cancellationToken: Token);
        Assert.Equal(201, (await q.PostAsync("jobs", """{"type":"paint","input":1}""")).Status);
        Assert.Equal((true, true, false), (await ListsAsync(p, "everyone's"), await ListsAsync(q, "everyone's"), await ListsAsync(p, "p's"))); // that of all workers stays

        static RegisterRequest Types(string name, string description, string schema) =>
            new() { Worker = "w", Types_ = { new JobType { Name = name, Description = description, InputSchemaJson = ByteString.CopyFromUtf8(schema) } } };

        static async Task<bool> ListsAsync(HttpClient client, string description) =>
            (await client.AskAsync("job-types")).Body.GetProperty("data").EnumerateArray().Any(type => type.Text("description") == description);
    }

    [Fact]
    public async Task Hints_name_no_run_of_another_project()
    {
        await using Peer peer = await Peer.StartAsync();
        string own = await peer.Server.SubmitAsync(), other = await peer.Server.SubmitAsync("q");
        Assert.Equal(2, (await ClaimAsync(peer.All, 2)).Count);
        using AsyncServerStreamingCall<WorkerHint> watch = peer.Limited.Watch(new WatchRequest { Worker = "w" }, cancellationToken: Token);
        Assert.True(await watch.ResponseStream.MoveNext(Token).WaitAsync(Guard, Token)); // it follows from now on
        await peer.Server.Journal.CancelAsync("q", other, "someone", Token);
        await peer.Server.Journal.CancelAsync("p", own, "someone", Token);

        string? hinted = null;
        while (hinted is null)
        {
            Assert.True(await watch.ResponseStream.MoveNext(Token).WaitAsync(Guard, Token));
            hinted = watch.ResponseStream.Current.HasCancellingRun ? watch.ResponseStream.Current.CancellingRun : null;
        }

        Assert.Equal(own, hinted);
    }

    [Fact]
    public async Task A_value_that_both_projects_have_is_each_ones_own()
    {
        await using Peer peer = await Peer.StartAsync();
        string own = await peer.Server.SubmitAsync("p", Long("Same")), other = await peer.Server.SubmitAsync("q", Long("Same")), foreign = await peer.Server.SubmitAsync("q", Long("Other"));
        string shared = (await peer.Server.Journal.GetAsync("q", other, Token))!.Input;
        Assert.Equal(shared, (await peer.Server.Journal.GetAsync("p", own, Token))!.Input);

        Assert.Equal($"{{\"name\":\"{Long("Same")}\"}}", await ReadAsync(peer.Limited, shared));
        RpcException refused = await Assert.ThrowsAsync<RpcException>(async () => await ReadAsync(peer.Limited, (await peer.Server.Journal.GetAsync("q", foreign, Token))!.Input));
        Assert.Equal(StatusCode.PermissionDenied, refused.StatusCode);
    }

    /// <summary>A name that makes an input too long to be its own reference: a hash could be guessed, or heard of.</summary>
    private static string Long(string name) => name.PadRight(400, '.');

    private static async Task<IReadOnlyList<Schemas.Agents.V1.Claim>> ClaimAsync(Workers.WorkersClient client, int most = 1) => (await client.ClaimAsync(
        new ClaimRequest { Worker = "w", Most = most, Types_ = { new TypeRoom { Type = "greet", Most = most } } }, cancellationToken: Token)).Claims;

    private static async Task<string> ReadAsync(Workers.WorkersClient client, string hash)
    {
        using AsyncServerStreamingCall<ValueChunk> call = client.ReadValue(new ReadValueRequest { Hash = hash }, cancellationToken: Token);
        Assert.True(await call.ResponseStream.MoveNext(Token));
        return call.ResponseStream.Current.Content.ToStringUtf8();
    }

    /// <summary>Calls a method for a run that is held, as its worker does.</summary>
    private static async Task CallAsync(Workers.WorkersClient client, string method, Lease lease, RunRecord run)
    {
        ByteString json = ByteString.CopyFromUtf8("1");
        var error = new RunError { Code = "c", Message = "m" };
        string digest = new('a', 64);
        CancellationToken token = Token;
        await (method switch
        {
            nameof(client.Heartbeat) => client.HeartbeatAsync(new HeartbeatRequest { Leases = { lease } }, cancellationToken: token).ResponseAsync,
            nameof(client.GetStep) => client.GetStepAsync(new GetStepRequest { Lease = lease, Address = "a", Executor = "e", InputJson = json }, cancellationToken: token).ResponseAsync,
            nameof(client.PutStep) => client.PutStepAsync(new PutStepRequest { Lease = lease, Address = "a", Digest = digest, OutputJson = json }, cancellationToken: token).ResponseAsync,
            nameof(client.FailStep) => client.FailStepAsync(new FailStepRequest { Lease = lease, Address = "a", Digest = digest, Error = error }, cancellationToken: token).ResponseAsync,
            nameof(client.ReportProgress) => client.ReportProgressAsync(new ReportProgressRequest { Lease = lease, Percent = 1 }, cancellationToken: token).ResponseAsync,
            nameof(client.TakeSignal) => client.TakeSignalAsync(new TakeSignalRequest { Lease = lease, Name = "n", Address = "a" }, cancellationToken: token).ResponseAsync,
            nameof(client.Ask) => client.AskAsync(new AskRequest { Lease = lease, Address = "a", QuestionJson = json }, cancellationToken: token).ResponseAsync,
            nameof(client.PutArtifact) => PutAsync(client, lease),
            nameof(client.FindValue) => client.FindValueAsync(new FindValueRequest { Project = run.Project, RunId = run.Id, Hash = run.Input }, cancellationToken: token).ResponseAsync,
            nameof(client.FindArtifact) => client.FindArtifactAsync(new FindArtifactRequest { Project = run.Project, RunId = run.Id, Name = "n" }, cancellationToken: token).ResponseAsync,
            nameof(client.RequestChild) => client.RequestChildAsync(
                new RequestChildRequest { Project = run.Project, Parent = run.Id, Address = "c", Type = "t", InputJson = json }, cancellationToken: token).ResponseAsync,
            nameof(client.Suspend) => client.SuspendAsync(new SuspendRequest { Lease = lease, Signals = { "s" } }, cancellationToken: token).ResponseAsync,
            nameof(client.Complete) => client.CompleteAsync(new CompleteRequest { Lease = lease, OutputJson = json }, cancellationToken: token).ResponseAsync,
            nameof(client.Fail) => client.FailAsync(new FailRequest { Lease = lease, Error = error }, cancellationToken: token).ResponseAsync,
            nameof(client.Cancelled) => client.CancelledAsync(new CancelledRequest { Lease = lease }, cancellationToken: token).ResponseAsync,
            nameof(client.HandBack) => client.HandBackAsync(new HandBackRequest { Lease = lease }, cancellationToken: token).ResponseAsync,
            nameof(client.ReadValue) => ReadAsync(client, run.Input),
            nameof(client.LoadSteps) => client.LoadSteps(new LoadStepsRequest { Lease = lease }, cancellationToken: token).ResponseStream.MoveNext(token),
            nameof(client.FindCached) => client.FindCachedAsync(new FindCachedRequest { Project = run.Project, Digest = digest }, cancellationToken: token).ResponseAsync,
            nameof(client.BeginStep) => client.BeginStepAsync(new BeginStepRequest { Lease = lease, Address = "a", Digest = digest }, cancellationToken: token).ResponseAsync,
            nameof(client.AdoptSteps) => client.AdoptStepsAsync(
                new AdoptStepsRequest
                {
                    Lease = lease,
                    Steps = { new RecordedStep { Address = "a", Digest = digest, Effect = Effect.Pure, Output = run.Input, Source = Schemas.Agents.V1.StepSource.Cache } },
                },
                cancellationToken: token).ResponseAsync,
            _ => throw new ArgumentOutOfRangeException(nameof(method), method, "unknown"),
        });
    }

    private static async Task PutAsync(Workers.WorkersClient client, Lease lease)
    {
        using AsyncClientStreamingCall<ArtifactPart, PutArtifactResponse> call = client.PutArtifact(cancellationToken: Token);
        try
        {
            await call.RequestStream.WriteAsync(new ArtifactPart { Header = new ArtifactHeader { Lease = lease, Name = "a.txt", ContentType = "text/plain" } }, Token);
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception exception) when (exception is RpcException or InvalidOperationException)
        {
            // Refused before all was sent.
        }

        await call.ResponseAsync;
    }

    private sealed class Peer(AgentServer server) : IAsyncDisposable
    {
        private readonly GrpcChannel _limited = WorkerChannel.Open(server.WorkerAddress, "worker-of-p");
        private readonly GrpcChannel _all = WorkerChannel.Open(server.WorkerAddress, "w");

        public AgentServer Server => server;

        public Workers.WorkersClient Limited => field ??= new Workers.WorkersClient(_limited.CreateCallInvoker());

        public Workers.WorkersClient All => field ??= new Workers.WorkersClient(_all.CreateCallInvoker());

        public static async Task<Peer> StartAsync() => new(await AgentServer.StartAsync());

        public async ValueTask DisposeAsync()
        {
            _limited.Dispose();
            _all.Dispose();
            await server.DisposeAsync();
        }
    }
}
