using System.Text.Json;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Tests.Jobs;

public sealed class JobResultTests
{
    [Theory]
    [InlineData("""{"summary":"Two\nlines [1].","citations":[{"number":1,"start":0,"end":5,"quote":"Dogs."}],"model":"m"}""", "Two\nlines [1].\n\n[1]\n    \"Dogs.\"\n")]
    [InlineData("""{"content":"# A [1]","citations":[{"number":1,"source":"recipe","start":0,"end":5,"quote":"Dough."}]}""", "# A [1]\n\n[1]  recipe\n    \"Dough.\"\n")]
    [InlineData("""{"answer":"34\u001b[2J","transcript":[],"stop_reason":"answered"}""", "34�[2J\n")]
    [InlineData("""{"answer":"","transcript":[],"stop_reason":"max_steps"}""", "\n\n(It was stopped: max_steps.)\n")]
    [InlineData("""{"report":"R","citations":[],"notes":[{"code":"x","message":"With care."}]}""", "R\n\n(With care.)\n")]
    [InlineData("""{"answer":42}""", "{\n  \"answer\": 42\n}\n")]
    [InlineData("""{"answer":{"n":1},"transcript":[]}""", "{\n  \"answer\": {\n    \"n\": 1\n  },\n  \"transcript\": []\n}\n")]
    [InlineData("[1]", "[\n  1\n]\n")]
    public void Texts_are_written_as_they_are_and_all_else_as_JSON(string result, string written)
    {
        using var output = new StringWriter();
        JobResult.Write(output, JsonElement.Parse(result));

        Assert.Equal(written, output.ToString().ReplaceLineEndings("\n"));
    }
}
