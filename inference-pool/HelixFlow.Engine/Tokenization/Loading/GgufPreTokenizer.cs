using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Tokenization.PreTokenizers;

namespace HelixFlow.Engine.Tokenization.Loading;

/// <summary>What the value of <c>tokenizer.ggml.pre</c> stands for.</summary>
/// <param name="Patterns">Each cuts the pieces of the one before.</param>
/// <param name="IgnoreMerges">A word that is a token is not merged from its parts.</param>
/// <param name="AddsBos">The start token is added unless the file says otherwise.</param>
internal sealed record GgufPreTokenizer(IReadOnlyList<string> Patterns, bool IgnoreMerges = false, bool AddsBos = false)
{
    private const string O200k =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" +
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" +
        @"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Tekken =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|" +
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|" +
        @"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly GgufPreTokenizer Gpt2 = new([Gpt2Scanner.Pattern]);
    private static readonly GgufPreTokenizer Llama3 = new([Cl100kScanner.Llama3Pattern], IgnoreMerges: true, AddsBos: true);
    private static readonly GgufPreTokenizer Qwen2 = new([Cl100kScanner.Qwen2Pattern]);
    private static readonly GgufPreTokenizer SingleDigits = new([@"\p{N}", Gpt2Scanner.Pattern]);

    private static readonly Dictionary<string, GgufPreTokenizer> Known = new()
    {
        ["default"] = new([@"[\p{P}\$\+<=>\^~\|]+", Gpt2Scanner.Pattern, @"\p{N}+", "[0-9][0-9][0-9]"]),
        ["gpt-2"] = Gpt2,
        ["phi-2"] = Gpt2,
        ["mpt"] = Gpt2,
        ["olmo"] = Gpt2,
        ["roberta-bpe"] = Gpt2,
        ["jina-es"] = Gpt2,
        ["jina-de"] = Gpt2,
        ["jina-v2-es"] = Gpt2,
        ["jina-v2-de"] = Gpt2,
        ["gigachat"] = Gpt2,
        ["llama-bpe"] = Llama3,
        ["llama3"] = Llama3,
        ["llama-v3"] = Llama3,
        ["falcon3"] = Llama3,
        ["dbrx"] = new([Cl100kScanner.Llama3Pattern]),
        ["smaug-bpe"] = new([Cl100kScanner.Llama3Pattern]),
        ["chatglm-bpe"] = new([Cl100kScanner.Llama3Pattern]),
        ["qwen2"] = Qwen2,
        ["deepseek-r1-qwen"] = Qwen2,
        ["stablelm2"] = Qwen2,
        ["megrez"] = Qwen2,
        ["hunyuan"] = Qwen2,
        ["starcoder"] = SingleDigits,
        ["refact"] = SingleDigits,
        ["command-r"] = SingleDigits,
        ["smollm"] = SingleDigits,
        ["codeshell"] = SingleDigits,
        ["exaone"] = SingleDigits,
        ["minerva-7b"] = SingleDigits,
        ["deepseek-v3"] = new(
        [
            @"\p{N}{1,3}",
            "[一-龥぀-ゟ゠-ヿ]+",
            @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
        ["tekken"] = new([Tekken], IgnoreMerges: true, AddsBos: true),
        ["gpt-4o"] = new([O200k]),
        ["llama4"] = new([O200k]),
    };

    public static GgufPreTokenizer Find(GgufVocabulary vocabulary) => Known.TryGetValue(vocabulary.Pre, out var found)
        ? found
        : throw new ModelFormatException(
            vocabulary.Path,
            null,
            $"tokenizer.ggml.pre is \"{vocabulary.Pre}\", which is not supported; supported are {string.Join(", ", Known.Keys.Order(StringComparer.Ordinal))}");

    public PreTokenizer Build() => new SequencePreTokenizer(
        [.. Patterns.Select(pattern => new SplitPreTokenizer(PatternReader.FromRegex(pattern), SplitBehavior.Isolated, invert: false))]);
}
