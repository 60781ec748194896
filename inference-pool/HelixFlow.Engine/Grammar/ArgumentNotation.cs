using System.Text.Json;

namespace HelixFlow.Engine.Grammar;

/// <summary>How a model writes the arguments of a call.</summary>
public enum ArgumentNotation
{
    /// <summary>A JSON object.</summary>
    Json,

    /// <summary>Python's keyword arguments in parentheses; constants and the contents of lists and dictionaries as Python writes them.</summary>
    Python,

    /// <summary><c>{key:&lt;escape&gt;text&lt;escape&gt;,other:3}</c>: FunctionGemma's.</summary>
    Gemma,

    /// <summary><c>&lt;parameter=key&gt;</c>, a line with the value, <c>&lt;/parameter&gt;</c>: Qwen3-Coder's. Strings are text as it is, other values JSON.</summary>
    Xml,

    /// <summary>Text as it is: a parameter of <see cref="Xml"/> that is a string.</summary>
    Text,
}

/// <summary>What writers and readers of arguments have to agree on.</summary>
public static class ArgumentNotations
{
    /// <summary>Stands before and after FunctionGemma's strings.</summary>
    public const string GemmaQuote = "<escape>";

    /// <summary>Ends FunctionGemma's calls.</summary>
    public const string GemmaEnd = "<end_function_call>";

    /// <summary>Ends Qwen3-Coder's values.</summary>
    public const string XmlValueEnd = "</parameter>";

    /// <summary>Whether a parameter is text in <see cref="ArgumentNotation.Xml"/>, so far as a schema says; a parameter that is not declared counts as one.</summary>
    /// <param name="schema">The schema of all arguments.</param>
    /// <param name="parameter">The parameter's name.</param>
    public static bool IsText(JsonElement schema, string parameter)
    {
        if (schema.ValueKind != JsonValueKind.Object
            || !schema.TryGetProperty("properties", out JsonElement properties) || properties.ValueKind != JsonValueKind.Object
            || !properties.TryGetProperty(parameter, out JsonElement declared) || declared.ValueKind != JsonValueKind.Object)
        {
            return true;
        }

        return declared.TryGetProperty("type", out JsonElement type) && type.ValueKind switch
        {
            JsonValueKind.String => type.ValueEquals("string"),
            JsonValueKind.Array => type.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String && item.ValueEquals("string")),
            _ => false,
        };
    }
}
