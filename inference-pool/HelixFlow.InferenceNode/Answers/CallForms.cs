using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>What answers with calls must look like: the way each family's template writes calls, and its <see cref="ToolCallParser"/> reads them.</summary>
internal static class CallForms
{
    private const string CodeOpen = "```tool_code";
    private const string Functools = "functools[";

    /// <summary>One call or several.</summary>
    /// <param name="format">How the model writes calls.</param>
    /// <param name="tools">The request's tools.</param>
    /// <param name="names">Those that may be called; at least one.</param>
    /// <param name="single">Only one call is made; families that make one at a time never make more.</param>
    /// <param name="whiteSpace">Between tokens of JSON.</param>
    public static TextPart Calls(ToolCallFormat format, ToolCatalog tools, IReadOnlyList<string> names, bool single, JsonWhiteSpace whiteSpace = JsonWhiteSpace.Indented)
    {
        var form = new Form(tools, names, IsForced: true, whiteSpace);
        return BareOf(format, form, single) ?? BlockOf(format, form, single).Behind(null, single);
    }

    /// <summary>Text, and perhaps calls behind it; from the marker of a call on, it is one.</summary>
    /// <param name="format">How the model writes calls.</param>
    /// <param name="tools">The request's tools.</param>
    /// <param name="names">Those that may be called; at least one.</param>
    /// <param name="single">At most one call is made.</param>
    /// <param name="whiteSpace">Between tokens of JSON.</param>
    public static TextPart TextOrCalls(ToolCallFormat format, ToolCatalog tools, IReadOnlyList<string> names, bool single, JsonWhiteSpace whiteSpace = JsonWhiteSpace.Indented)
    {
        var form = new Form(tools, names, IsForced: false, whiteSpace);
        if (BareOf(format, form, single) is not { } calls)
        {
            Block block = BlockOf(format, form, single);
            return new TextPart.OneOf(
                new TextPart.Free([block.Open, .. block.Others]), block.Behind(new TextPart.Free(block.Others) { Until = block.Open }, single));
        }

        // A call is the whole answer, or follows a marker; behind Llama's there may be code for the built-in interpreter, too.
        (string marker, TextPart opened) = format.Family == ToolCallFamily.LlamaJson
            ? (ToolCallFormat.Python, new TextPart.OneOf(calls, new TextPart.Free(ToolCallFormat.Python) { NotBeginning = @"\s*\{" }))
            : (ToolCallFormat.PythonStart, (TextPart)new TextPart.Sequence(calls, new TextPart.Marker(ToolCallFormat.PythonEnd)));
        string bare = BareCall(format, tools);
        return new TextPart.OneOf(
            new TextPart.Free(marker) { NotBeginning = bare }, calls, new TextPart.Sequence(new TextPart.Free([]) { NotBeginning = bare, Until = marker }, opened));
    }

    // Calls without a marker before them; null for families that have one.
    private static TextPart? BareOf(ToolCallFormat format, Form form, bool single) => format.Family switch
    {
        ToolCallFamily.LlamaJson => form.Json("parameters"),
        ToolCallFamily.LlamaPython => new TextPart.Sequence(new TextPart.Literal("["), Several(form.Python(), single, ", "), new TextPart.Literal("]")),
        _ => null,
    };

    private static Block BlockOf(ToolCallFormat format, Form form, bool single) => format.Family switch
    {
        ToolCallFamily.Mistral when format.NamesFirst => new Block(ToolCallFormat.MistralOpen, form.NameFirst()),
        ToolCallFamily.Mistral => new Block(ToolCallFormat.MistralOpen, form.Array("[", single)) { Separator = null },
        ToolCallFamily.Phi when format.IsFunctools => new Block(Functools, form.Array("", single)) { Separator = null, Others = [ToolCallFormat.PhiOpen] },
        ToolCallFamily.Phi => new Block(ToolCallFormat.PhiOpen, new TextPart.Sequence(form.Array("[", single), new TextPart.Marker(ToolCallFormat.PhiClose)))
        {
            Separator = null,
            Others = [Functools],
        },
        ToolCallFamily.GemmaCode => new Block(
            CodeOpen, new TextPart.Sequence(new TextPart.Literal("\n"), Several(form.Python(), single, "\n"), new TextPart.Literal("\n```"))) { Separator = null },
        ToolCallFamily.GemmaFunction => new Block(GemmaCallParser.Open, new TextPart.Sequence(form.Gemma(), new TextPart.Marker(GemmaCallParser.Close))),
        ToolCallFamily.QwenXml => new Block(ToolCallFormat.HermesOpen, Tagged(form.Xml())) { Separator = "\n", Others = ["<function="] },
        _ => new Block(ToolCallFormat.HermesOpen, Tagged(form.Json("arguments"))) { Separator = "\n" },
    };

    // How calls begin that no marker announces.
    private static string BareCall(ToolCallFormat format, ToolCatalog tools) => format.Family == ToolCallFamily.LlamaJson
        ? $$"""\s*\{\s*"(function|type|id|arguments|parameters|name"\s*:\s*"({{AnyOf(tools.Names)}}))"\s*[:,}]"""
        : $@"\s*\[\s*({AnyOf(tools.Names)}|print)\(";

    private static string AnyOf(IEnumerable<string> names) => string.Join('|', names.Select(Regex.Escape));

    private static TextPart.Sequence Tagged(TextPart call) => new(new TextPart.Literal("\n"), call, new TextPart.Literal("\n"), new TextPart.Marker(ToolCallFormat.HermesClose));

    private static TextPart Several(TextPart call, bool single, string separator) => single ? call : new TextPart.Repeated(call, new TextPart.Literal(separator));

    /// <summary>Calls behind a marker.</summary>
    /// <param name="Open">The marker.</param>
    /// <param name="Inner">What follows it.</param>
    private sealed record Block(string Open, TextPart Inner)
    {
        /// <summary>What stands between two blocks; null where there is one only.</summary>
        public string? Separator { get; init; } = "";

        /// <summary>Other markers that would begin a call.</summary>
        public IReadOnlyList<string> Others { get; init; } = [];

        /// <summary>Blocks, of which the first follows something that ends with its marker; null for the marker alone.</summary>
        public TextPart.Sequence Behind(TextPart? lead, bool single)
        {
            var open = new TextPart.Marker(Open);
            var first = new TextPart.Sequence(lead ?? open, Inner);
            return single || Separator is null
                ? first
                : new TextPart.Sequence(first, new TextPart.Repeated(new TextPart.Sequence(new TextPart.Literal(Separator), open, Inner), Least: 0));
        }
    }

    /// <summary>One call of a tool.</summary>
    /// <param name="Tools">The request's tools.</param>
    /// <param name="Names">Those that may be called.</param>
    /// <param name="WhiteSpace">Between tokens of JSON.</param>
    /// <param name="IsForced">Whether all arguments follow their schemas, those of tools that are not strict as far as that can be guaranteed.</param>
    private sealed record Form(ToolCatalog Tools, IReadOnlyList<string> Names, bool IsForced, JsonWhiteSpace WhiteSpace)
    {
        /// <summary>{"name": "f", "arguments": {…}}</summary>
        public TextPart.OneOf Json(string arguments) => Any(
            name => $$"""{"name": {{JsonText.Quote(name)}}, "{{arguments}}": """, ArgumentNotation.Json, "}");

        public TextPart.Sequence Array(string open, bool single) => new TextPart.Sequence(new TextPart.Literal(open), Several(Json("arguments"), single, ", "), new TextPart.Literal("]"));

        /// <summary>f[ARGS]{…}</summary>
        public TextPart.OneOf NameFirst() => new TextPart.OneOf([.. Names.Select(name =>
            new TextPart.Sequence(new TextPart.Literal(name), new TextPart.Marker(ToolCallFormat.MistralArguments), Arguments(name, ArgumentNotation.Json)))]);

        /// <summary>f(a=1)</summary>
        public TextPart.OneOf Python() => Any(static name => name, ArgumentNotation.Python, "");

        /// <summary>call:f{a:1}</summary>
        public TextPart.OneOf Gemma() => Any(static name => $"call:{name}", ArgumentNotation.Gemma, "");

        /// <summary>&lt;function=f&gt;, lines of parameters, &lt;/function&gt;</summary>
        public TextPart.OneOf Xml() => Any(static name => $"<function={name}>\n", ArgumentNotation.Xml, "</function>");

        private TextPart.OneOf Any(Func<string, string> before, ArgumentNotation notation, string behind) => new([.. Names.Select(name =>
            new TextPart.Sequence(new TextPart.Literal(before(name)), Arguments(name, notation), new TextPart.Literal(behind)))]);

        private TextPart Arguments(string name, ArgumentNotation notation) =>
            Tools.IsStrict(name) ? new TextPart.Named(name, new TextPart.Arguments(SchemaOf(name), notation, IsBestEffort: false, WhiteSpace))
            : IsForced ? new TextPart.Arguments(SchemaOf(name), notation, IsBestEffort: true, WhiteSpace)
            : new TextPart.Arguments("""{"type":"object"}""", notation, IsBestEffort: true, WhiteSpace);

        // A tool without parameters takes none.
        private string SchemaOf(string name)
        {
            JsonObject schema = Tools.SchemaOf(name) is { } declared
                ? (JsonObject)JsonNode.Parse(declared.GetRawText())!
                : new JsonObject { ["properties"] = new JsonObject() };
            schema.TryAdd("type", "object");
            if (schema["properties"] is JsonObject { Count: 0 } && !schema.ContainsKey("patternProperties") && !schema.ContainsKey("$ref") && !schema.ContainsKey("allOf"))
            {
                schema.TryAdd("additionalProperties", false);
            }

            return schema.ToJsonString();
        }
    }
}
