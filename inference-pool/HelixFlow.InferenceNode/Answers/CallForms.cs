using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>What answers with calls must look like: the way each family's template writes calls, and its <see cref="ToolCallParser"/> reads them.</summary>
internal static class CallForms
{
    private const string CodeOpen = "```tool_code";

    /// <summary>One call or several.</summary>
    /// <param name="format">How the model writes calls.</param>
    /// <param name="tools">The request's tools.</param>
    /// <param name="names">Those that may be called; at least one.</param>
    /// <param name="single">Only one call is made; families that make one at a time never make more.</param>
    public static TextPart Calls(ToolCallFormat format, ToolCatalog tools, IReadOnlyList<string> names, bool single) =>
        Calls(format, new Form(tools, names, IsForced: true), single);

    /// <summary>Text, and perhaps calls behind it; from the marker of a call on, it is one.</summary>
    /// <param name="format">How the model writes calls.</param>
    /// <param name="tools">The request's tools.</param>
    /// <param name="names">Those that may be called; at least one.</param>
    /// <param name="single">At most one call is made.</param>
    public static TextPart TextOrCalls(ToolCallFormat format, ToolCatalog tools, IReadOnlyList<string> names, bool single)
    {
        TextPart calls = Calls(format, new Form(tools, names, IsForced: false), single);
        TextPart text = new TextPart.Free(Triggers(format)) { NotBeginning = BareCall(format, tools) };
        return format.Family switch
        {
            // A call is the whole answer, or follows the marker; behind that there may be code for the built-in interpreter, too.
            ToolCallFamily.LlamaJson => new TextPart.OneOf(
                text,
                calls,
                new TextPart.Sequence(text, new TextPart.Marker(ToolCallFormat.Python), new TextPart.OneOf(calls, new TextPart.Free(Triggers(format)) { NotBeginning = @"\s*\{" }))),
            ToolCallFamily.LlamaPython => new TextPart.OneOf(
                text,
                calls,
                new TextPart.Sequence(text, new TextPart.Marker(ToolCallFormat.PythonStart), calls, new TextPart.Marker(ToolCallFormat.PythonEnd))),
            _ => new TextPart.OneOf(text, new TextPart.Sequence(text, calls)),
        };
    }

    private static TextPart Calls(ToolCallFormat format, Form form, bool single) => format.Family switch
    {
        ToolCallFamily.LlamaJson => form.Json("parameters"),
        ToolCallFamily.Mistral when format.NamesFirst => Several(new TextPart.Sequence(new TextPart.Marker(ToolCallFormat.MistralOpen), form.NameFirst()), single, ""),
        ToolCallFamily.Mistral => new TextPart.Sequence(new TextPart.Marker(ToolCallFormat.MistralOpen), form.Array(single)),
        ToolCallFamily.Phi when format.IsFunctools => new TextPart.Sequence(new TextPart.Literal("functools"), form.Array(single)),
        ToolCallFamily.Phi => new TextPart.Sequence(new TextPart.Marker(ToolCallFormat.PhiOpen), form.Array(single), new TextPart.Marker(ToolCallFormat.PhiClose)),
        ToolCallFamily.LlamaPython => new TextPart.Sequence(new TextPart.Literal("["), Several(form.Python(), single, ", "), new TextPart.Literal("]")),
        ToolCallFamily.GemmaCode => new TextPart.Sequence(new TextPart.Literal(CodeOpen + "\n"), Several(form.Python(), single, "\n"), new TextPart.Literal("\n```")),
        ToolCallFamily.GemmaFunction => Several(
            new TextPart.Sequence(new TextPart.Marker(GemmaCallParser.Open), form.Gemma(), new TextPart.Marker(GemmaCallParser.Close)), single, ""),
        ToolCallFamily.QwenXml => Several(Tagged(form.Xml()), single, "\n"),
        _ => Several(Tagged(form.Json("arguments")), single, "\n"),
    };

    private static string[] Triggers(ToolCallFormat format) => format.Family switch
    {
        ToolCallFamily.LlamaJson => [ToolCallFormat.Python],
        ToolCallFamily.LlamaPython => [ToolCallFormat.PythonStart],
        ToolCallFamily.Mistral => [ToolCallFormat.MistralOpen],
        ToolCallFamily.Phi => [ToolCallFormat.PhiOpen, "functools["],
        ToolCallFamily.GemmaCode => [CodeOpen],
        ToolCallFamily.GemmaFunction => [GemmaCallParser.Open],
        ToolCallFamily.QwenXml => [ToolCallFormat.HermesOpen, "<function="],
        _ => [ToolCallFormat.HermesOpen],
    };

    // How calls begin that no marker announces.
    private static string? BareCall(ToolCallFormat format, ToolCatalog tools) => format.Family switch
    {
        ToolCallFamily.LlamaJson => $$"""\s*\{\s*"(function|type|id|arguments|parameters|name"\s*:\s*"({{AnyOf(tools.Names)}}))"\s*[:,}]""",
        ToolCallFamily.LlamaPython => $@"\s*\[\s*({AnyOf(tools.Names)}|print)\(",
        _ => null,
    };

    private static string AnyOf(IEnumerable<string> names) => string.Join('|', names.Select(Regex.Escape));

    private static TextPart.Sequence Tagged(TextPart call) => new(
        new TextPart.Marker(ToolCallFormat.HermesOpen), new TextPart.Literal("\n"), call, new TextPart.Literal("\n"), new TextPart.Marker(ToolCallFormat.HermesClose));

    private static TextPart Several(TextPart call, bool single, string separator) => single ? call : new TextPart.Repeated(call, new TextPart.Literal(separator));

    /// <summary>One call of a tool.</summary>
    /// <param name="Tools">The request's tools.</param>
    /// <param name="Names">Those that may be called.</param>
    /// <param name="IsForced">Whether all arguments follow their schemas, those of tools that are not strict as far as that can be guaranteed.</param>
    private sealed record Form(ToolCatalog Tools, IReadOnlyList<string> Names, bool IsForced)
    {
        /// <summary>{"name": "f", "arguments": {…}}</summary>
        public TextPart.OneOf Json(string arguments) => Any(
            name => $$"""{"name": {{JsonText.Quote(name)}}, "{{arguments}}": """, ArgumentNotation.Json, "}");

        public TextPart.Sequence Array(bool single) => new TextPart.Sequence(new TextPart.Literal("["), Several(Json("arguments"), single, ", "), new TextPart.Literal("]"));

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
            Tools.IsStrict(name) ? new TextPart.Named(name, new TextPart.Arguments(SchemaOf(name), notation, IsBestEffort: false))
            : IsForced ? new TextPart.Arguments(SchemaOf(name), notation, IsBestEffort: true)
            : new TextPart.Arguments("""{"type":"object"}""", notation, IsBestEffort: true);

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
