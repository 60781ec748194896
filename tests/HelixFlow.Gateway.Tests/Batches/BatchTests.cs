using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json;
using HelixFlow.Gateway.Batches;
using HelixFlow.Gateway.Tests.Files;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using static HelixFlow.Gateway.Tests.Batches.BatchClient;

namespace HelixFlow.Gateway.Tests.Batches;

/// <summary>/v1/batches.</summary>
public class BatchTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    [Fact]
    public async Task A_batch_begins_as_openai_shows_it()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartServerAsync(time: time);

        JsonElement batch = await SubmitAsync(server, Lines(1), more: ""","metadata":{"k":"v"}""");

        string[] names =
        [
            "id", "object", "endpoint", "model", "errors", "input_file_id", "completion_window", "status", "output_file_id", "error_file_id", "created_at", "in_progress_at", "expires_at",
            "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at", "request_counts", "usage", "metadata",
        ];
        Assert.Equal(names, batch.EnumerateObject().Select(property => property.Name));
        Assert.StartsWith("batch_", IdOf(batch), StringComparison.Ordinal);
        Assert.Equal(("batch", "validating", Chat), (batch.GetProperty("object").GetString(), StatusOf(batch), batch.GetProperty("endpoint").GetString()));
        Assert.Equal((0, 0, 0), CountsOf(batch));
        Assert.Equal("v", batch.GetProperty("metadata").GetProperty("k").GetString());
        Assert.Equal(ManualTime.StartInUnixSeconds + (24 * 3600), batch.GetProperty("expires_at").GetInt64());
    }

    [Fact]
    public async Task Each_request_gets_the_answer_that_the_endpoint_gives()
    {
        await using GatewayServer server = await StartServerAsync();

        JsonElement batch = await EndAsync(server, await SubmitAsync(server, [Line("a"), Line("b", more: ""","temperature":9"""), Line("c \\\"ü")]));
        List<JsonElement> output = await ResultsAsync(server, batch, "output_file_id");
        List<JsonElement> errors = await ResultsAsync(server, batch, "error_file_id");

        Assert.Equal("completed", StatusOf(batch));
        Assert.Equal((3, 2, 1), CountsOf(batch));
        Assert.Equal(Model, batch.GetProperty("model").GetString());
        foreach (string passed in (string[])["in_progress_at", "finalizing_at", "completed_at"])
        {
            Assert.Equal(JsonValueKind.Number, batch.GetProperty(passed).ValueKind);
        }

        Assert.Equal(["a", "c \"ü"], CustomIds(output));
        Assert.All(output, line =>
        {
            Assert.Equal(["id", "custom_id", "response", "error"], line.EnumerateObject().Select(property => property.Name));
            Assert.StartsWith("batch_req_", line.GetProperty("id").GetString(), StringComparison.Ordinal);
            Assert.Equal(JsonValueKind.Null, line.GetProperty("error").ValueKind);
            JsonElement response = line.GetProperty("response");
            Assert.Equal(200, response.GetProperty("status_code").GetInt32());
            Assert.StartsWith("req_", response.GetProperty("request_id").GetString(), StringComparison.Ordinal);
            JsonElement body = response.GetProperty("body");
            Assert.Equal("chat.completion", body.GetProperty("object").GetString());
            Assert.Equal("Hello world", body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        });
        JsonElement refused = Assert.Single(errors);
        Assert.Equal("b", refused.GetProperty("custom_id").GetString());
        Assert.Equal(400, refused.GetProperty("response").GetProperty("status_code").GetInt32());
        Assert.Equal("temperature", refused.GetProperty("response").GetProperty("body").GetProperty("error").GetProperty("param").GetString());

        // The pool says 3, 2 and 1 of each answer.
        JsonElement usage = batch.GetProperty("usage");
        Assert.Equal((6, 4, 10), (usage.GetProperty("input_tokens").GetInt32(), usage.GetProperty("output_tokens").GetInt32(), usage.GetProperty("total_tokens").GetInt32()));
        Assert.Equal(2, usage.GetProperty("input_tokens_details").GetProperty("cached_tokens").GetInt32());

        JsonElement file = await FileClient.GetAsync(server.Client, "/v1/files/" + batch.GetProperty("output_file_id").GetString());
        Assert.Equal(("batch_output", IdOf(batch) + "_output.jsonl"), (file.GetProperty("purpose").GetString(), file.GetProperty("filename").GetString()));
        Assert.Contains("helixflow_batches{status=\"completed\"} 1", await server.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_endpoints_run_in_batches_too()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.Embeds = (request, _) => ValueTask.FromResult(new EmbedResponse { PromptTokens = 4, Embeddings = { request.Inputs.Select(_ => new Embedding { Values = { 1, 0 } }) } });

        JsonElement texts = await EndAsync(server, await SubmitAsync(
            server, [$$$"""{"custom_id":"t","method":"POST","url":"/v1/completions","body":{"model":"{{{Model}}}","prompt":"x"}}"""], "/v1/completions"));
        JsonElement vectors = await EndAsync(server, await SubmitAsync(
            server, [$$$"""{"custom_id":"e","method":"POST","url":"/v1/embeddings","body":{"model":"{{{Model}}}","input":"x"}}"""], "/v1/embeddings"));

        Assert.Equal("text_completion", Body(Assert.Single(await ResultsAsync(server, texts, "output_file_id"))).GetProperty("object").GetString());
        Assert.Equal("list", Body(Assert.Single(await ResultsAsync(server, vectors, "output_file_id"))).GetProperty("object").GetString());
        Assert.Equal(4, vectors.GetProperty("usage").GetProperty("input_tokens").GetInt32());

        static JsonElement Body(JsonElement line) => line.GetProperty("response").GetProperty("body");
    }

    [Fact]
    public async Task A_wrong_input_fails_the_batch_with_the_lines_that_are_wrong()
    {
        await using GatewayServer server = await StartServerAsync();

        JsonElement batch = await EndAsync(server, await SubmitAsync(server, [Line("a"), "{", Line("a")]));
        JsonElement[] errors = [.. batch.GetProperty("errors").GetProperty("data").EnumerateArray()];

        Assert.Equal("failed", StatusOf(batch));
        Assert.Equal(JsonValueKind.Number, batch.GetProperty("failed_at").ValueKind);
        Assert.Equal("list", batch.GetProperty("errors").GetProperty("object").GetString());
        Assert.Equal(
            [("invalid_json_line", null, 2), ("duplicate_custom_id", "custom_id", 3)],
            errors.Select(error => (error.GetProperty("code").GetString(), error.GetProperty("param").GetString(), error.GetProperty("line").GetInt32())));
        Assert.Null(server.Pool.Request);
    }

    [Fact]
    public async Task A_model_that_no_node_has_fails_the_batch()
    {
        await using GatewayServer server = await StartServerAsync();

        JsonElement batch = await EndAsync(server, await SubmitAsync(server, [Line("a").Replace(Model, "none", StringComparison.Ordinal)]));

        JsonElement error = Assert.Single(batch.GetProperty("errors").GetProperty("data").EnumerateArray());
        Assert.Equal(("model_not_found", "body.model", 1), (error.GetProperty("code").GetString(), error.GetProperty("param").GetString(), error.GetProperty("line").GetInt32()));
    }

    [Fact]
    public async Task A_batch_that_asks_for_something_wrong_is_refused()
    {
        await using GatewayServer server = await StartServerAsync();
        string file = (await FileClient.UploadAsync(server.Client, Line("a"))).GetProperty("id").GetString()!;
        string other = (await FileClient.UploadAsync(server.Client, Line("a"), "user_data")).GetProperty("id").GetString()!;

        await RefusedAsync(CreateAsync(server, "file-none"), "input_file_id", "No such File object: file-none");
        await RefusedAsync(CreateAsync(server, other), "input_file_id", "purpose 'user_data'");
        await RefusedAsync(CreateAsync(server, file, "/v1/models"), "endpoint", "Supported values are: '/v1/chat/completions', '/v1/completions', '/v1/embeddings'");
        await RefusedAsync(CreateAsync(server, file, window: "48h"), "completion_window", "Supported values are: '24h'");
        await RefusedAsync(CreateAsync(server, file, more: ""","metadata":{"k":1}"""), "metadata.k", "expected a string");
        await RefusedAsync(CreateAsync(server, file, more: ""","output_expires_after":{"anchor":"created_at","seconds":5}"""), "output_expires_after.seconds", "below minimum");
        await RefusedAsync(server.PostAsync("/v1/batches", "{}"), "input_file_id", "Missing required parameter");

        static async Task RefusedAsync(Task<HttpResponseMessage> response, string param, string message)
        {
            (int status, string text, string? actual, _) = await FileClient.ErrorAsync(await response);
            Assert.Equal((400, param), (status, actual));
            Assert.Contains(message, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Batches_of_other_projects_are_not_there_and_those_of_ones_own_are_listed()
    {
        await using GatewayServer server = await StartServerAsync();
        using HttpClient other = FileClient.Other(server);
        var ids = new List<string>();
        for (int i = 0; i < 3; i++)
        {
            ids.Insert(0, IdOf(await SubmitAsync(server, Lines(1))));
        }

        JsonElement page = await FileClient.GetAsync(server.Client, "/v1/batches?limit=2");
        Assert.Equal(ids[..2], page.GetProperty("data").EnumerateArray().Select(IdOf));
        Assert.True(page.GetProperty("has_more").GetBoolean());
        Assert.Equal(ids[2], IdOf(Assert.Single((await FileClient.GetAsync(server.Client, $"/v1/batches?limit=2&after={ids[1]}")).GetProperty("data").EnumerateArray())));
        Assert.Empty((await FileClient.GetAsync(other, "/v1/batches")).GetProperty("data").EnumerateArray());
        Assert.Equal((404, $"No such Batch object: {ids[0]}", "batch_id", null), await FileClient.ErrorAsync(await other.GetAsync($"/v1/batches/{ids[0]}")));
        Assert.Equal(404, (await FileClient.ErrorAsync(await other.PostAsync($"/v1/batches/{ids[0]}/cancel", null))).Status);
    }

    [Fact]
    public async Task Interactive_requests_find_room_beside_a_batch_and_go_first()
    {
        await using GatewayServer server = await StartServerAsync();
        server.Pool.State = Sequences(8);
        var held = new HeldBatchRequests(server.Pool);

        JsonElement batch = await SubmitAsync(server, Lines(30));
        await held.ArrivedAsync(6); // three quarters of the sequences
        using HttpResponseMessage interactive = await server.PostAsync(Chat, $$"""{"model":"{{Model}}","messages":[{"role":"user","content":"x"}]}""");

        Assert.True(interactive.IsSuccessStatusCode);
        Assert.Equal((30, 0, 0), CountsOf(await GetAsync(server, batch)));
        Assert.Equal(6, held.Arrived);
        Assert.All(held.Requests, request => Assert.Equal((-8, "p"), (request.Priority, request.Project)));

        held.Release();
        Assert.Equal((30, 30, 0), CountsOf(await EndAsync(server, batch)));
        Assert.True(held.MostAtOnce <= 6);
    }

    [Fact]
    public async Task Cancelling_stops_what_runs_and_writes_what_is_there()
    {
        var options = new GatewayOptions { Batches = new BatchOptions { CancelGrace = TimeSpan.Zero } };
        await using GatewayServer server = await StartServerAsync(options);
        server.Pool.State = Sequences(8);
        var held = new HeldBatchRequests(server.Pool) { Free = 4 };

        JsonElement batch = await SubmitAsync(server, Lines(30));
        await held.ArrivedAsync(6);
        await UntilAsync(server, batch, now => CountsOf(now).Completed == 4);
        JsonElement cancelling = await FileClient.JsonAsync(await server.PostAsync($"/v1/batches/{IdOf(batch)}/cancel", ""));
        JsonElement ended = await EndAsync(server, batch);
        List<JsonElement> output = await ResultsAsync(server, ended, "output_file_id");
        List<JsonElement> errors = await ResultsAsync(server, ended, "error_file_id");

        Assert.Equal("cancelling", StatusOf(cancelling));
        Assert.Equal("cancelled", StatusOf(ended));
        Assert.Equal((30, 4, 26), CountsOf(ended));
        Assert.Equal((4, 26), (output.Count, errors.Count));
        Assert.Equal(Enumerable.Range(0, 30).Select(i => $"r{i}").Order(), CustomIds(output).Concat(CustomIds(errors)).Order());
        Assert.All(errors, line => Assert.Equal("batch_cancelled", line.GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal(0, held.Running);

        (int status, string message, _, _) = await FileClient.ErrorAsync(await server.PostAsync($"/v1/batches/{IdOf(batch)}/cancel", ""));
        Assert.Equal((409, "Cannot cancel a batch with status 'cancelled'."), (status, message));
    }

    [Fact]
    public async Task A_batch_expires_with_its_window_and_keeps_what_is_done()
    {
        var time = new ManualTime();
        await using GatewayServer server = await StartServerAsync(time: time);
        server.Pool.State = Sequences(8);
        var held = new HeldBatchRequests(server.Pool) { Free = 3 };

        JsonElement batch = await SubmitAsync(server, Lines(10));
        await UntilAsync(server, batch, now => CountsOf(now).Completed == 3);
        time.Advance(TimeSpan.FromHours(24) - TimeSpan.FromSeconds(1));
        Assert.Equal("in_progress", StatusOf(await GetAsync(server, batch)));
        time.Advance(TimeSpan.FromSeconds(1));
        JsonElement ended = await EndAsync(server, batch);
        List<JsonElement> errors = await ResultsAsync(server, ended, "error_file_id");

        Assert.Equal("expired", StatusOf(ended));
        Assert.Equal(ManualTime.StartInUnixSeconds + (24 * 3600), ended.GetProperty("expired_at").GetInt64());
        Assert.Equal((10, 3, 7), CountsOf(ended));
        Assert.Equal(3, (await ResultsAsync(server, ended, "output_file_id")).Count);
        Assert.Equal(7, errors.Count);
        Assert.All(errors, line =>
        {
            Assert.Equal(JsonValueKind.Null, line.GetProperty("response").ValueKind);
            Assert.Equal("batch_expired", line.GetProperty("error").GetProperty("code").GetString());
            Assert.Equal("This request could not be executed before the completion window expired.", line.GetProperty("error").GetProperty("message").GetString());
        });
        Assert.Equal(0, held.Running);
    }

    [Fact]
    public async Task A_request_that_no_node_can_take_is_tried_again()
    {
        var options = new GatewayOptions { Batches = new BatchOptions { RetryDelay = TimeSpan.FromMilliseconds(1), LongestRetryDelay = TimeSpan.FromMilliseconds(2) } };
        await using GatewayServer server = await StartServerAsync(options);
        var tries = new ConcurrentDictionary<string, int>();
        Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> answer = server.Pool.Script;
        server.Pool.Script = (request, token) => tries.AddOrUpdate(request.Chat.MessagesJson, 1, static (_, count) => count + 1) switch
        {
            1 => throw new InferenceException(InferenceError.Overloaded, "busy") { RetryAfter = TimeSpan.FromMilliseconds(1) },
            2 => throw new InferenceException(InferenceError.Unavailable, "the node was lost"),
            3 => throw new InferenceException(InferenceError.Internal, "it broke"),
            _ => answer(request, token),
        };

        JsonElement batch = await EndAsync(server, await SubmitAsync(server, Lines(5)));

        Assert.Equal((5, 5, 0), CountsOf(batch));
        Assert.All(tries.Values, count => Assert.Equal(4, count));
    }

    [Fact]
    public async Task A_request_that_breaks_the_server_again_and_again_fails_alone()
    {
        var options = new GatewayOptions { Batches = new BatchOptions { RetryDelay = TimeSpan.FromMilliseconds(1) } };
        await using GatewayServer server = await StartServerAsync(options);
        Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> answer = server.Pool.Script;
        server.Pool.Script = (request, token) => request.Chat.MessagesJson.Contains("prompt 1", StringComparison.Ordinal) ? throw new InvalidOperationException("a bug") : answer(request, token);

        JsonElement batch = await EndAsync(server, await SubmitAsync(server, Lines(3)));

        Assert.Equal((3, 2, 1), CountsOf(batch));
        JsonElement failed = Assert.Single(await ResultsAsync(server, batch, "error_file_id"));
        Assert.Equal(("r1", 500), (failed.GetProperty("custom_id").GetString(), failed.GetProperty("response").GetProperty("status_code").GetInt32()));
    }

    [Fact]
    public async Task After_a_restart_a_batch_goes_on_where_it_was_even_without_its_input_file()
    {
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-batches-").FullName };
        JsonElement batch;
        await using (GatewayServer first = await StartServerAsync(options))
        {
            first.Pool.State = Sequences(8);
            _ = new HeldBatchRequests(first.Pool) { Free = 7 };
            batch = await SubmitAsync(first, Lines(20));
            await UntilAsync(first, batch, now => CountsOf(now).Completed == 7);
            await FileClient.JsonAsync(await first.Client.DeleteAsync("/v1/files/" + batch.GetProperty("input_file_id").GetString()));
        }

        var pool = new ScriptedPool(); // before the server starts: it goes on with the batch at once
        var held = new HeldBatchRequests(pool);
        held.Release();
        await using (GatewayServer second = await StartServerAsync(options, pool))
        {
            JsonElement ended = await EndAsync(second, batch);

            Assert.Equal((20, 20, 0), CountsOf(ended));
            Assert.Equal(Enumerable.Range(0, 20).Select(i => $"r{i}"), CustomIds(await ResultsAsync(second, ended, "output_file_id")));
            Assert.Equal(13, held.Arrived);
            for (int round = 0; Directory.GetFiles(Path.Combine(options.DataFolder, "blobs"), "*", SearchOption.AllDirectories).Length > 1; round++)
            {
                Assert.True(round < 3000, "the input stays on the disk");
                await Task.Delay(10);
            }
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    private static NodeState Sequences(uint most) => new() { Models = { new ModelState { Name = Model, MaxSequences = most } } };

    /// <summary>Holds the requests of batches until they are released; others are answered at once.</summary>
    private sealed class HeldBatchRequests
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Func<GenerateRequest, CancellationToken, IAsyncEnumerable<GenerateEvent>> _answer;
        private readonly ConcurrentQueue<GenerateRequest> _requests = new();
        private int _arrived;
        private int _running;
        private int _most;

        public HeldBatchRequests(ScriptedPool pool)
        {
            _answer = pool.Script;
            pool.Script = (request, token) => request.Priority == 0 ? _answer(request, token) : HoldAsync(request, token);
        }

        /// <summary>So many are answered before the others are held.</summary>
        public int Free { get; init; }

        public int Arrived => Volatile.Read(ref _arrived);

        public int Running => Volatile.Read(ref _running);

        public int MostAtOnce => Volatile.Read(ref _most);

        public IEnumerable<GenerateRequest> Requests => _requests;

        public void Release() => _released.TrySetResult();

        public async Task ArrivedAsync(int count)
        {
            for (int round = 0; Arrived < count; round++)
            {
                Assert.True(round < 6000, "the requests do not arrive");
                await Task.Delay(10);
            }
        }

        private async IAsyncEnumerable<GenerateEvent> HoldAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            _requests.Enqueue(request);
            int running = Interlocked.Increment(ref _running);
            InterlockedMax(running);
            try
            {
                if (Interlocked.Increment(ref _arrived) > Free)
                {
                    await _released.Task.WaitAsync(cancellationToken);
                }

                await foreach (GenerateEvent next in _answer(request, cancellationToken))
                {
                    yield return next;
                }
            }
            finally
            {
                Interlocked.Decrement(ref _running);
            }
        }

        private void InterlockedMax(int value)
        {
            int seen = Volatile.Read(ref _most);
            while (value > seen && Interlocked.CompareExchange(ref _most, value, seen) is var now && now != seen)
            {
                seen = now;
            }
        }
    }
}
