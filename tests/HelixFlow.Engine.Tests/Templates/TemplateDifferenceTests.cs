using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using HelixFlow.Engine.Templates;

namespace HelixFlow.Engine.Tests.Templates;

/// <summary>Our rendering against other implementations'.</summary>
public sealed class TemplateDifferenceTests
{
    [Fact]
    public async Task Family_templates_render_as_in_python()
    {
        List<(string Template, JsonObject Variables)> cases = [.. Families.Templates.Values.SelectMany(template => Families.Conversations().Select(variables => (template, variables)))];

        AssertSame(cases, await TemplateWitness.PythonAsync(cases));
    }

    [Fact]
    public async Task Family_templates_render_as_in_huggingface_jinja()
    {
        // "macro" uses caller() in an inline if, which that implementation evaluates where it is not defined.
        List<(string Template, JsonObject Variables)> cases = [.. Families.Templates.Where(entry => entry.Key != "macro").SelectMany(entry => Families.Conversations().Select(variables => (entry.Value, variables)))];

        AssertSame(cases, await TemplateWitness.JavaScriptAsync(cases));
    }

    [Fact]
    public async Task Generated_snippets_render_as_in_python()
    {
        var generator = new SnippetGenerator(new Random(12));
        List<(string Template, JsonObject Variables)> cases = [.. Enumerable.Range(0, 3000).Select(_ => (generator.Next(), SnippetGenerator.Variables()))];

        AssertSame(cases, await TemplateWitness.PythonAsync(cases));
    }

    [Fact]
    public async Task Edges_of_the_language_render_as_in_python()
    {
        // Left out are the known differences: integers beyond 64 bits, keys of a dict that are no strings, what functions and macros print as,
        // autoescape and block tags, marks of safe text.
        List<(string Template, JsonObject Variables)> cases = [.. TemplateWitness.Edges().Select(template => (template, SnippetGenerator.Variables()))];
        Assert.True(cases.Count > 250);

        AssertSame(cases, await TemplateWitness.PythonAsync(cases));
    }

    [Fact]
    public async Task Edges_put_together_and_cut_up_render_as_in_python()
    {
        // Two edges in one template, and edges with a few characters changed: mostly errors, which both sides must call errors.
        var random = new Random(23);
        string[] edges = TemplateWitness.Edges();
        var cases = new List<(string Template, JsonObject Variables)>();
        for (int round = 0; round < 1500; round++)
        {
            string template = edges[random.Next(edges.Length)] + (random.Next(2) == 0 ? "\n" : " ") + edges[random.Next(edges.Length)];
            cases.Add((template, SnippetGenerator.Variables()));
        }

        AssertSame(cases, await TemplateWitness.PythonAsync(cases));
    }

    [Fact]
    public void Mutated_templates_end_in_text_or_in_one_of_two_exceptions()
    {
        var random = new Random(5);
        string[] sources = [.. Families.Templates.Values, .. TemplateWitness.Edges()];
        JsonElement[] variables = [.. Families.Conversations().Select(conversation => JsonSerializer.SerializeToElement(conversation))];
        var limits = new TemplateLimits { MaxSteps = 20_000, MaxCharacters = 200_000 };
        for (int round = 0; round < 8000; round++)
        {
            char[] source = sources[random.Next(sources.Length)].ToCharArray();
            for (int change = random.Next(1, 5); change > 0; change--)
            {
                source[random.Next(source.Length)] = "{}%#-+*/|()[]'\"., =:~abc09\n"[random.Next(27)];
            }

            try
            {
                ChatTemplate.Parse(new string(source)).Render(variables[random.Next(variables.Length)], limits);
            }
            catch (Exception exception) when (exception is TemplateSyntaxException or TemplateRenderException)
            {
                Assert.NotEmpty(exception.Message);
            }
        }
    }

    private static void AssertSame(List<(string Template, JsonObject Variables)> cases, IReadOnlyList<string?> expected)
    {
        var differences = new List<string>();
        for (int i = 0; i < cases.Count; i++)
        {
            string? actual;
            try
            {
                actual = ChatTemplate.Parse(cases[i].Template).Render(JsonSerializer.SerializeToElement(cases[i].Variables));
            }
            catch (Exception exception) when (exception is TemplateSyntaxException or TemplateRenderException)
            {
                actual = null;
            }

            if (actual != expected[i])
            {
                differences.Add(string.Create(CultureInfo.InvariantCulture, $"{cases[i].Template}\n  expected {expected[i] ?? "an error"}\n  actual   {actual ?? "an error"}"));
            }
        }

        Assert.True(differences.Count == 0, $"{differences.Count} of {cases.Count} differ:\n{string.Join("\n\n", differences.Take(12))}");
    }
}
