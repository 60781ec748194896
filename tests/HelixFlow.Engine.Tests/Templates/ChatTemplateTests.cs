using System.Text.Json;
using HelixFlow.Engine.Templates;

namespace HelixFlow.Engine.Tests.Templates;

public sealed class ChatTemplateTests
{
    private static readonly JsonElement NoVariables = JsonElement.Parse("{}");

    [Fact]
    public void A_conversation_is_rendered_with_its_variables()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }}{{ eos_token }}{% endfor %}{{ extra }}{{ strftime_now('%d %b %Y') }}{% if add_generation_prompt %}>{% endif %}");

        string text = template.Render(new ChatTemplateInput
        {
            Messages = JsonElement.Parse("""[{"role":"user","content":"hi"}]"""),
            Variables = JsonElement.Parse("""{"extra":"+","messages":"not replaced"}"""),
            BosToken = "<s>",
            EosToken = "</s>",
            Now = new DateTimeOffset(2026, 3, 5, 0, 0, 0, TimeSpan.Zero),
        });

        Assert.Equal("<s>user:hi</s>+05 Mar 2026>", text);
    }

    [Fact]
    public void A_templates_own_refusal_is_told_apart_and_keeps_its_words()
    {
        ChatTemplate template = ChatTemplate.Parse("one\n{{ raise_exception('Roles must alternate') }}");

        TemplateRenderException exception = Assert.Throws<TemplateRenderException>(() => template.Render(NoVariables));

        Assert.True(exception.IsRaisedByTemplate);
        Assert.Equal(2, exception.Line);
        Assert.Equal("Roles must alternate", exception.Message);
    }

    [Theory]
    [InlineData("{% if x %}", 1)]
    [InlineData("a\n{{ 1 + }}", 2)]
    [InlineData("a\n\n{% nonsense %}", 3)]
    [InlineData("{{ x | nosuchfilter }}", 1)]
    [InlineData("{{ x is nosuchtest }}", 1)]
    [InlineData("{% break %}", 1)]
    [InlineData("{{ 'open }}", 1)]
    [InlineData("{{ (1 }}", 1)]
    public void A_syntax_error_names_its_line(string source, int line) =>
        Assert.Equal(line, Assert.Throws<TemplateSyntaxException>(() => ChatTemplate.Parse(source)).Line);

    [Theory]
    [InlineData("{{ range(1000000) }}")]
    [InlineData("{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")]
    [InlineData("{{ 'x' * 99999999999 }}")]
    [InlineData("{% set n = namespace(l=[1]) %}{% for i in range(100) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}")]
    [InlineData("{% set n = namespace(l=[1]) %}{% for i in range(100) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l | tojson }}")]
    [InlineData("{% set a = namespace(l=[1], m=[1]) %}{% for i in range(100) %}{% set a.l = [a.l, a.l] %}{% set a.m = [a.m, a.m] %}{% endfor %}{{ a.l == a.m }}")]
    [InlineData("{% set a = namespace(l=[1], m=[1]) %}{% for i in range(90000) %}{% set a.l = [a.l] %}{% set a.m = [a.m] %}{% endfor %}{{ a.l == a.m }}")]
    [InlineData("{% set a = namespace(l=[1], m=[1]) %}{% for i in range(90000) %}{% set a.l = [a.l] %}{% set a.m = [a.m] %}{% endfor %}{{ a.l < a.m }}")]
    [InlineData("{% set n = namespace() %}{% set n.n = [n] %}{{ n }}")]
    [InlineData("{% set x = 'x' * 1000000 %}{{ ([x] * 90000) | join(x) }}")]
    [InlineData("{% set x = 'x' * 1000000 %}{{ x.join(([x] * 90000)) }}")]
    [InlineData("{% set x = 'x' * 1000000 %}{{ x | replace('x', x) }}")]
    [InlineData("{% set x = 'x' * 1000000 %}{{ x.replace('', x) }}")]
    [InlineData("{% set x = '\\n' * 1000000 %}{{ x | indent(1000, true, true) }}")]
    [InlineData("{% set x = '\\t' * 1000000 %}{{ x.expandtabs(1000) }}")]
    [InlineData("{{ 'x'.center(99999999999) }}")]
    [InlineData("{{ 'x'.ljust(99999999999) }}{{ '1'.zfill(99999999999) }}")]
    [InlineData("{{ '{:99999999}'.format('x') }}")]
    [InlineData("{{ [1, 2] | batch(99999999999, 'x') | list }}")]
    [InlineData("{{ [1, 2] | slice(99999999999) | list }}")]
    [InlineData("{{ [1] * 99999999999 }}")]
    [InlineData("{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}")]
    [InlineData("{% macro m(n) %}{{ caller() }}{% call m(n) %}x{% endcall %}{% endmacro %}{% call m(1) %}y{% endcall %}")]
    public void A_hostile_template_reaches_a_limit(string source) =>
        Assert.True(Assert.Throws<TemplateRenderException>(() => ChatTemplate.Parse(source).Render(NoVariables)).IsLimit);

    [Fact]
    public void Nested_blocks_times_nested_calls_do_not_overflow_the_stack()
    {
        string source = "{% macro m() %}" + string.Concat(Enumerable.Repeat("{% if true %}{% for x in [1] %}", 90)) + "{{ m() }}"
            + string.Concat(Enumerable.Repeat("{% endfor %}{% endif %}", 90)) + "{% endmacro %}{{ m() }}";

        Assert.True(Assert.Throws<TemplateRenderException>(() => ChatTemplate.Parse(source).Render(NoVariables)).IsLimit);
    }

    [Theory]
    [InlineData("{% set _ = l.append(1) %}")]
    [InlineData("{{ d.update({'a': 1}) }}")]
    [InlineData("{{ d.pop('a') }}")]
    public void Values_cannot_be_changed(string source) => Assert.Contains(
        "must not change",
        Assert.Throws<TemplateRenderException>(() => ChatTemplate.Parse(source).Render(JsonElement.Parse("""{"l": [], "d": {"a": 2}}"""))).Message,
        StringComparison.Ordinal);

    [Fact]
    public void A_generation_block_renders_as_its_body() =>
        Assert.Equal("ab", ChatTemplate.Parse("a{% generation %}b{% endgeneration %}").Render(NoVariables));

    [Fact]
    public void Deep_and_long_sources_are_refused_before_they_can_overflow_the_stack()
    {
        string[] sources =
        [
            "{{ " + new string('(', 100_000) + "1" + new string(')', 100_000) + " }}",
            "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 100_000)) + " }}",
            "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "x }}",
            "{{ " + new string('-', 100_000) + "1 }}",
            "{{ x" + string.Concat(Enumerable.Repeat(".a", 100_000)) + " }}",
            string.Concat(Enumerable.Repeat("{% if x %}", 10_000)),
        ];
        foreach (string source in sources)
        {
            try
            {
                ChatTemplate.Parse(source).Render(NoVariables);
            }
            catch (Exception exception) when (exception is TemplateSyntaxException or TemplateRenderException)
            {
                continue;
            }

            Assert.Contains("not", source, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_parsed_template_serves_many_threads()
    {
        ChatTemplate template = ChatTemplate.Parse(Families.Templates["qwen3"]);
        JsonElement[] conversations = [.. Families.Conversations().Select(conversation => JsonSerializer.SerializeToElement(conversation))];
        string[] expected = [.. conversations.Select(conversation => template.Render(conversation))];

        await Parallel.ForAsync(0, 400, (i, stop) =>
        {
            Assert.Equal(expected[i % expected.Length], template.Render(conversations[i % conversations.Length], cancellationToken: stop));
            return ValueTask.CompletedTask;
        });
    }
}
