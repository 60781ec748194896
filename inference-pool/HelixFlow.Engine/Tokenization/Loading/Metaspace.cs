using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>Settings that the Metaspace pre-tokenizer and decoder share.</summary>
internal static class Metaspace
{
    // Older files have a switch where newer ones have a scheme.
    public static PrependScheme SchemeOf(JsonField field) => field.FindString("prepend_scheme") switch
    {
        "always" => PrependScheme.Always,
        "never" => PrependScheme.Never,
        "first" => PrependScheme.First,
        null => field.FindBoolean("add_prefix_space", true) ? PrependScheme.Always : PrependScheme.Never,
        var other => throw field.Error($"has the prepend_scheme \"{other}\"; known are always, never and first"),
    };
}
