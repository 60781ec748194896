using System.Text.Json;
using BenchmarkDotNet.Attributes;
using HelixFlow.Engine.Templates;

namespace HelixFlow.MicroBenchmarks;

/// <summary>A chat template with roles, tools and a check, over conversations of some lengths.</summary>
[MemoryDiagnoser]
public class TemplateBenchmarks
{
    private const string Source = """
        {{- bos_token }}
        {%- set ns = namespace(last=messages | length - 1) %}
        {%- for message in messages %}
            {%- if loop.index0 > 0 and message.role == messages[loop.index0 - 1].role %}{{- raise_exception('Roles must alternate') }}{%- endif %}
            {{- '<|start|>' + message['role'] + '<|end|>\n\n' }}
            {%- if message.content is string %}{{- message.content | trim }}{%- else %}{%- for part in message.content %}{{- part.text }}{%- endfor %}{%- endif %}
            {{- '<|eot|>' }}
        {%- endfor %}
        {%- if tools %}{%- for tool in tools %}{{- tool | tojson(indent=2) }}{%- endfor %}{%- endif %}
        {%- if add_generation_prompt %}{{- '<|start|>assistant<|end|>\n\n' }}{%- endif %}
        """;

    private ChatTemplate _template = null!;
    private ChatTemplateInput _input = null!;

    [Params(2, 40)]
    public int Messages { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        _template = ChatTemplate.Parse(Source);
        _input = new ChatTemplateInput
        {
            Messages = JsonSerializer.SerializeToElement(Enumerable.Range(0, Messages)
                .Select(i => new { role = i % 2 == 0 ? "user" : "assistant", content = SampleText.Make("prose", 400) })),
            Tools = JsonElement.Parse("""[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]"""),
            BosToken = "<s>",
        };
    }

    [Benchmark(Description = "render")]
    public string Render() => _template.Render(_input);

    [Benchmark(Description = "parse")]
    public ChatTemplate Parse() => ChatTemplate.Parse(Source);
}
