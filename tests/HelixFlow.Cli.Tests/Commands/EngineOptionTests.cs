using System.CommandLine;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Commands;
using HelixFlow.Cli.Conversation;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Speculation;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Cli.Tests.Commands;

/// <summary>The options that say how an engine computes, on every command that has them.</summary>
public sealed class EngineOptionTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Theory]
    [InlineData("serve")]
    [InlineData("run hello")]
    [InlineData("chat")]
    [InlineData("bench engine")]
    public void Types_of_weights_and_of_keys_and_values_are_taken_in_any_case(string command)
    {
        ParseResult given = Parse($"{command} --quantize Q4_K --kv-type q8_0");
        ParseResult left = Parse(command);

        Assert.Empty(given.Errors);
        Assert.Equal(TensorType.Q4_K, QuantizeOption.TypeOf(given.GetValue<string?>("--quantize")));
        Assert.Equal(KvType.Q8_0, given.GetValue<KvType>("--kv-type"));
        Assert.Null(QuantizeOption.TypeOf(left.GetValue<string?>("--quantize")));
        Assert.Equal(KvType.F16, left.GetValue<KvType>("--kv-type"));
    }

    [Theory]
    [InlineData("q8_0", TensorType.Q8_0)]
    [InlineData("q4_0", TensorType.Q4_0)]
    [InlineData("q4_k", TensorType.Q4_K)]
    public void Weights_are_rounded_to_three_types(string name, TensorType type) =>
        Assert.Equal(type, QuantizeOption.TypeOf(Parse($"serve --quantize {name}").GetValue<string?>("--quantize")));

    [Theory]
    [InlineData("serve --quantize q6_k", "q6_k is not a type that weights are rounded to; it must be q8_0, q4_0 or q4_k")]
    [InlineData("run hello --quantize f16", "f16 is not a type that weights are rounded to")]
    [InlineData("bench engine --quantize q5_0", "q5_0 is not a type that weights are rounded to")]
    [InlineData("serve --kv-type q4_0", "q4_0")]
    [InlineData("chat --kv-type int8", "int8")]
    [InlineData("bench engine --kv-type x", "x")]
    [InlineData("serve --speculation maybe", "maybe")]
    [InlineData("serve --speculation draft", "--speculation draft and --draft-model belong together")]
    [InlineData("serve --draft-model m.gguf", "--speculation draft and --draft-model belong together")]
    [InlineData("serve --speculation-tokens 32", "'32' will not do; it must be between 1 and 31")]
    [InlineData("serve --step-time-budget -1", "'-1' will not do; it must be between 0 and 60000")]
    [InlineData("serve --step-time-budget 60001", "it must be between 0 and 60000")]
    [InlineData("serve --step-time-budget soon", "soon")]
    [InlineData("serve --deterministic maybe", "maybe")]
    public void What_makes_no_sense_is_refused_with_its_reason(string arguments, string reason) =>
        Assert.Contains(Parse(arguments).Errors, error => error.Message.Contains(reason, StringComparison.Ordinal));

    [Fact]
    public void Speculation_determinism_and_the_step_time_have_defaults()
    {
        ParseResult left = Parse("serve");
        ParseResult given = Parse("serve --speculation off --deterministic --step-time-budget 0");

        Assert.Equal((SpeculationMode.NGram, false, 100), (left.GetValue<SpeculationMode>("--speculation"), left.GetValue<bool>("--deterministic"), left.GetValue<int>("--step-time-budget")));
        Assert.Empty(given.Errors);
        Assert.Equal((SpeculationMode.Off, true, 0), (given.GetValue<SpeculationMode>("--speculation"), given.GetValue<bool>("--deterministic"), given.GetValue<int>("--step-time-budget")));
    }

    [Fact]
    public async Task Keys_and_values_as_codes_need_heads_of_whole_blocks()
    {
        string model = Model();
        var output = new StringWriter();
        var error = new StringWriter();

        int code = await Root().Parse(["bench", "engine", model, "--kv-type", "q8_0", "--prompt", "8", "--generate", "2"])
            .InvokeAsync(new InvocationConfiguration { Output = output, Error = error });
        ChatSourceException refusal = await Assert.ThrowsAsync<ChatSourceException>(
            () => LocalChat.LoadAsync(model, _folder.FullPath, options => options.KvType = KvType.Q8_0, CancellationToken.None));

        Assert.Equal(1, code);
        Assert.All([error.ToString(), refusal.Message], message => Assert.Contains(
            "keys and values cannot be stored as q8_0: the model's heads have 16 elements, which is no multiple of 32", message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_bench_counts_the_bytes_of_rounded_weights()
    {
        string model = Model();
        Dictionary<string, double> ratios = [];
        foreach (string type in (string[])["", "q8_0", "q4_0"])
        {
            var output = new StringWriter();
            string[] rounding = type.Length > 0 ? ["--quantize", type] : [];
            Assert.Equal(0, await Root().Parse(["bench", "engine", model, "--prompt", "8", "--generate", "4", "--sequences", "1", "--repetitions", "1", "--threads", "1", "--json", .. rounding])
                .InvokeAsync(new InvocationConfiguration { Output = output }));

            JsonObject line = JsonNode.Parse(output.ToString())!.AsObject();
            Assert.Equal(type.ToUpperInvariant(), (string?)line["quantize"] ?? "");
            Assert.Equal("F16", (string)line["kv_type"]!);
            ratios[type] = (double)line["decode_gigabytes_per_second"]! / (double)line["decode_tokens_per_second"]!;
        }

        // Of four bytes a weight, 34/32 or 18/32 are left; what is not rounded, and what is read of keys and values, blurs it a little.
        Assert.InRange(ratios["q8_0"] / ratios[""], 0.2, 0.35);
        Assert.InRange(ratios["q4_0"] / ratios[""], 0.1, 0.2);
    }

    public void Dispose() => _folder.Dispose();

    private static RootCommand Root() => new() { ServeCommand.Create(), RunCommand.Create(), ChatCommand.Create(), BenchCommand.Create() };

    private static ParseResult Parse(string arguments) => Root().Parse(arguments.Split(' '));

    private string Model()
    {
        string path = _folder["nano.gguf"];
        RandomModel.Write("nano", "llama", TensorType.F32, path);
        return path;
    }
}
