using System.Text.RegularExpressions;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>How a model family writes tool calls.</summary>
internal enum ToolCallFamily
{
    /// <summary><c>&lt;tool_call&gt;{"name": …, "arguments": {…}}&lt;/tool_call&gt;</c>: Hermes, Qwen, and every model that is taught by the prompt.</summary>
    Hermes,

    /// <summary><c>&lt;function=name&gt;&lt;parameter=key&gt;</c>: Qwen3-Coder.</summary>
    QwenXml,

    /// <summary><c>{"name": …, "parameters": {…}}</c> as the whole answer: Llama 3.1 to 3.3.</summary>
    LlamaJson,

    /// <summary><c>[f(a=1), g(b="x")]</c> as the whole answer: Llama 3.2 and 4.</summary>
    LlamaPython,

    /// <summary><c>[TOOL_CALLS]</c> before an array, or before a name and <c>[ARGS]</c>.</summary>
    Mistral,

    /// <summary><c>&lt;|tool_call|&gt;[…]&lt;|/tool_call|&gt;</c> or <c>functools[…]</c>: Phi-4.</summary>
    Phi,

    /// <summary>Python in a <c>```tool_code</c> block: Gemma 3.</summary>
    GemmaCode,

    /// <summary><c>&lt;start_function_call&gt;call:name{…}</c>: FunctionGemma.</summary>
    GemmaFunction,
}

/// <summary>The family of a chat template, and parsers for it. Immutable.</summary>
/// <param name="Family">How calls are written.</param>
/// <param name="IsInTemplate">Whether the template takes tools; otherwise the prompt has to tell the model of them.</param>
internal sealed partial record ToolCallFormat(ToolCallFamily Family, bool IsInTemplate)
{
    public const string HermesOpen = "<tool_call>";
    public const string HermesClose = "</tool_call>";
    public const string MistralOpen = "[TOOL_CALLS]";
    public const string MistralArguments = "[ARGS]";
    public const string PhiOpen = "<|tool_call|>";
    public const string PhiClose = "<|/tool_call|>";
    public const string Python = "<|python_tag|>";
    public const string PythonStart = "<|python_start|>";
    public const string PythonEnd = "<|python_end|>";
    private const string Code = "```tool_code";
    private const string CodeEnd = "```";

    private static readonly JsonCallStyle Hermes = new([HermesOpen], [HermesClose]);
    private static readonly JsonCallStyle LlamaJson = new([Python], []) { IsBare = true };
    private static readonly JsonCallStyle Mistral = new([MistralOpen], []) { HasNames = true };
    private static readonly JsonCallStyle Phi = new([PhiOpen, "functools"], [PhiClose]);

    // The most telling marks first: a template may mention the marks of others.
    private static readonly (string Mark, ToolCallFamily Family)[] Marks =
    [
        ("<function=", ToolCallFamily.QwenXml),
        (HermesOpen, ToolCallFamily.Hermes),
        (MistralOpen, ToolCallFamily.Mistral),
        (GemmaCallParser.Open, ToolCallFamily.GemmaFunction),
        (PhiOpen, ToolCallFamily.Phi),
        ("<|tool|>", ToolCallFamily.Phi),
        ("functools", ToolCallFamily.Phi),
        ("tool_code", ToolCallFamily.GemmaCode),
        (PythonStart, ToolCallFamily.LlamaPython),
        ("[func_name1(", ToolCallFamily.LlamaPython),
        (Python, ToolCallFamily.LlamaJson),
        ("ipython", ToolCallFamily.LlamaJson),
        ("\"parameters\":", ToolCallFamily.LlamaJson),
    ];

    /// <summary>Whether the template writes Mistral's calls as a name, a marker and the arguments.</summary>
    public bool NamesFirst { get; init; }

    /// <summary>Whether the template speaks of Phi's older word for calls.</summary>
    public bool IsFunctools { get; init; }

    /// <summary>Texts that must reach the parser even where they are special tokens.</summary>
    public IEnumerable<string> Markers => Family switch
    {
        ToolCallFamily.LlamaJson => [Python],
        ToolCallFamily.LlamaPython => [PythonStart, PythonEnd],
        ToolCallFamily.Mistral => [MistralOpen, MistralArguments, "[CALL_ID]"],
        ToolCallFamily.Phi => [PhiOpen, PhiClose],
        ToolCallFamily.GemmaFunction => [GemmaCallParser.Open, GemmaCallParser.Close, GemmaCallParser.Escape],
        _ => [HermesOpen, HermesClose],
    };

    /// <summary>The format of a model with this chat template.</summary>
    public static ToolCallFormat Of(string template)
    {
        if (!MentionsTools().IsMatch(template))
        {
            return new ToolCallFormat(ToolCallFamily.Hermes, IsInTemplate: false);
        }

        foreach ((string mark, ToolCallFamily family) in Marks)
        {
            if (template.Contains(mark, StringComparison.Ordinal))
            {
                return new ToolCallFormat(family, IsInTemplate: true)
                {
                    NamesFirst = template.Contains(MistralArguments, StringComparison.Ordinal),
                    IsFunctools = template.Contains("functools", StringComparison.Ordinal),
                };
            }
        }

        return new ToolCallFormat(ToolCallFamily.Hermes, IsInTemplate: true);
    }

    public ToolCallParser CreateParser(ToolCatalog tools, AnswerParts output) => Family switch
    {
        ToolCallFamily.Hermes => new JsonCallParser(Hermes, tools, output),
        ToolCallFamily.QwenXml => new XmlCallParser(tools, output),
        ToolCallFamily.LlamaJson => new JsonCallParser(LlamaJson, tools, output),
        ToolCallFamily.LlamaPython => new PythonCallParser([PythonStart], [PythonEnd], isBare: true, tools, output),
        ToolCallFamily.Mistral => new JsonCallParser(Mistral, tools, output),
        ToolCallFamily.Phi => new JsonCallParser(Phi, tools, output),
        ToolCallFamily.GemmaCode => new PythonCallParser([Code], [CodeEnd], isBare: false, tools, output),
        ToolCallFamily.GemmaFunction => new GemmaCallParser(output),
        _ => throw new InvalidOperationException($"no parser for {Family}"),
    };

    [GeneratedRegex(@"\btools\b")]
    private static partial Regex MentionsTools();
}
