using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Interop.Tests;

/// <summary>The process itself: first start, restart, shutdown, and the commands beside serve.</summary>
public sealed class LifecycleTests
{
    [Fact]
    public async Task The_first_start_makes_a_key_and_shows_it_once()
    {
        string data = Directory.CreateTempSubdirectory("helixflow-interop-").FullName;
        string key;
        await using (Server first = await Server.StartAsync(key: null, data))
        {
            string file = Path.Combine(data, "admin-key");
            key = (await File.ReadAllTextAsync(file)).Trim();
            if (!OperatingSystem.IsWindows())
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            }

            Assert.Contains(key, first.Output, StringComparison.Ordinal);
            Assert.Contains("curl ", first.Output, StringComparison.Ordinal);
            using HttpClient client = first.CreateClient(key);
            Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/v1/models")).StatusCode);
        }

        await using (Server second = await Server.StartAsync(key: null, data))
        {
            Assert.DoesNotContain(key, second.Output, StringComparison.Ordinal);
            using HttpClient again = second.CreateClient(key);
            Assert.Equal(HttpStatusCode.OK, (await again.GetAsync("/v1/models")).StatusCode);
        }

        Directory.Delete(data, recursive: true);
    }

    [Fact]
    public async Task A_deterministic_server_repeats_itself_and_tells_what_it_had_cached()
    {
        await using Server server = await Server.StartAsync(arguments: ["--deterministic", "--step-time-budget", "20"]);
        using HttpClient client = server.CreateClient();
        var answers = new List<JsonNode>();
        for (int i = 0; i < 2; i++)
        {
            using HttpResponseMessage response = await client.PostAsJsonAsync("/v1/chat/completions", new
            {
                model = Server.Model,
                temperature = 1.5,
                ignore_eos = true,
                max_completion_tokens = 40,
                messages = new[] { new { role = "user", content = "What is HelixFlow, and what are its parts? Tell me all about it." } },
            });
            answers.Add(JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
        }

        Assert.Equal((string?)answers[0]["choices"]![0]!["message"]!["content"], (string?)answers[1]["choices"]![0]!["message"]!["content"]);
        Assert.Equal(0, (int)answers[0]["usage"]!["prompt_tokens_details"]!["cached_tokens"]!);
        Assert.True((int)answers[1]["usage"]!["prompt_tokens_details"]!["cached_tokens"]! >= 16);
    }

    [Fact]
    public async Task Termination_lets_a_running_stream_finish()
    {
        await using Server server = await Server.StartAsync(arguments: ["--drain-seconds", "3000"]);
        using HttpClient client = server.CreateClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(new
            {
                model = Server.Model,
                stream = true,
                ignore_eos = true,
                max_completion_tokens = 400,
                messages = new[] { new { role = "user", content = "What is HelixFlow?" } },
            }),
        };
        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.StartsWith("data: ", await reader.ReadLineAsync(), StringComparison.Ordinal);

        Task<int> ended = server.TerminateAsync();
        string rest = await reader.ReadToEndAsync();

        Assert.EndsWith("data: [DONE]\n\n", rest, StringComparison.Ordinal);
        Assert.Contains("\"finish_reason\":\"length\"", rest, StringComparison.Ordinal);
        Assert.Equal(0, await ended);
    }

    [Fact]
    public async Task A_taken_port_is_said_in_a_sentence()
    {
        await using Server server = await Server.StartAsync();
        string data = Directory.CreateTempSubdirectory("helixflow-interop-").FullName;

        (int code, _, string errors) = await RunAsync(["serve", "--port", $"{server.Address.Port}", "--data", data], "");

        Directory.Delete(data, recursive: true);
        Assert.Equal(1, code);
        Assert.Contains("address already in use", errors, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_data_folder_that_another_server_uses_is_said_in_a_sentence()
    {
        await using Server server = await Server.StartAsync();

        (int code, _, string errors) = await RunAsync(["serve", "--port", "0", "--data", server.DataFolder], "");

        Assert.Equal(1, code);
        Assert.Contains("is held by another process", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_is_answered_without_a_server_and_a_conversation_with_one()
    {
        (int code, string output, _) = await RunAsync(["run", "What is 12 + 30?"], "");
        Assert.Equal(0, code);
        Assert.Contains("42", output, StringComparison.Ordinal);

        await using Server server = await Server.StartAsync();
        (code, output, _) = await RunAsync(["chat", "--url", server.Address.ToString(), "--api-key", Server.Key], "Hello\n/exit\n");
        Assert.Equal(0, code);
        Assert.Contains("Hello!", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rounded_weights_and_rounded_keys_and_values_still_answer()
    {
        (int code, string output, string errors) = await RunAsync(["run", "What is 12 + 30?", "--quantize", "q8_0", "--kv-type", "q8_0", "--temperature", "0"], "");

        Assert.True(code == 0, errors);
        Assert.Contains("42", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_is_not_there_is_said_in_a_sentence()
    {
        using var folder = new TempFolder();
        (int code, _, string errors) = await RunAsync(["serve", "--data", folder["data"], "--model", "/nowhere/model.gguf"], "");

        Assert.Equal(1, code);
        Assert.Contains("/nowhere/model.gguf", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mamba")]
    [InlineData("jina-bert-v2")]
    public async Task A_model_of_a_kind_that_is_not_supported_is_said_in_a_sentence(string architecture)
    {
        using var folder = new TempFolder();
        string path = folder["encoder.gguf"];
        new GgufWriter().Add("general.architecture", architecture).AddTensor("token_embd.weight", [4], new float[4]).Save(path);

        (int code, string output, string errors) = await RunAsync(["serve", "--port", "0", "--data", folder["data"], "--model", path], "");

        Assert.Equal(1, code);
        Assert.Equal($"{path}: the architecture '{architecture}' is not supported; supported are llama, mistral, qwen2, qwen3, gemma2, gemma3, phi3, bert, xlm-roberta, nomic-bert", errors.Trim());
        Assert.DoesNotContain("Exception", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_half_written_admin_key_is_named_with_what_to_do()
    {
        string data = Directory.CreateTempSubdirectory("helixflow-interop-").FullName;
        string file = Path.Combine(data, "admin-key");
        await File.WriteAllTextAsync(file, "hx-0123456789abcdef");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        (int code, string output, string errors) = await RunAsync(["serve", "--port", "0", "--data", data], "", key: null);

        Assert.Equal(1, code);
        Assert.Equal($"{file}: holds no admin key (hx- and 64 hexadecimal digits are expected); delete the file to have a new one made", errors.Trim());
        Assert.DoesNotContain("0123456789abcdef", output, StringComparison.Ordinal);
        Directory.Delete(data, recursive: true);
    }

    private static async Task<(int Code, string Output, string Errors)> RunAsync(string[] arguments, string input, string? key = Server.Key)
    {
        using Process process = Server.Cli(key, arguments);
        process.Start();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, errors);
    }
}
