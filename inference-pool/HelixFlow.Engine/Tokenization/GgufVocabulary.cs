using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Tokenization;

/// <summary>The vocabulary inside a GGUF file: the values of its <c>tokenizer.ggml.*</c> keys.</summary>
/// <param name="Path">The file, for messages.</param>
/// <param name="Model"><c>gpt2</c> (byte-level BPE), <c>llama</c> (SentencePiece BPE), <c>t5</c> (unigram) or <c>bert</c> (WordPiece).</param>
/// <param name="Tokens">Token texts; the index is the id.</param>
public sealed record GgufVocabulary(string Path, string Model, string[] Tokens)
{
    /// <summary>The name of the pre-tokenizer; only byte-level BPE has one.</summary>
    public string Pre { get; init; } = "default";

    /// <summary>One score for each token, for <c>llama</c> and <c>t5</c>.</summary>
    public float[]? Scores { get; init; }

    /// <summary>For each token: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.</summary>
    public int[]? TokenTypes { get; init; }

    /// <summary>Merges by rank, as "left right", for <c>gpt2</c>.</summary>
    public string[]? Merges { get; init; }

    public int? BosId { get; init; }

    public int? EosId { get; init; }

    public int? UnknownId { get; init; }

    public int? PadId { get; init; }

    /// <summary>End of turn.</summary>
    public int? EotId { get; init; }

    /// <summary>End of message.</summary>
    public int? EomId { get; init; }

    public int? SeparatorId { get; init; }

    /// <summary>What starts a text in files that have it for a classification token.</summary>
    public int? ClassificationId { get; init; }

    /// <summary>Null when the file does not say: then the kind of model decides.</summary>
    public bool? AddBos { get; init; }

    public bool? AddEos { get; init; }

    public bool? AddSpacePrefix { get; init; }

    public bool RemoveExtraWhitespaces { get; init; }

    /// <summary>SentencePiece's compiled normalisation rules.</summary>
    public byte[]? PrecompiledCharsMap { get; init; }

    /// <summary>Reads the keys of an open file.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <exception cref="ModelFormatException">A key is missing or of a wrong kind.</exception>
    public static GgufVocabulary Read(string path, GgufMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        const string Prefix = "tokenizer.ggml.";
        int? Id(string name) => metadata.Contains(Prefix + name) && metadata.GetUInt32(Prefix + name) is <= int.MaxValue and var id ? (int)id : null;
        bool? Flag(string name) => metadata.Contains(Prefix + name) ? metadata.GetBool(Prefix + name) : null;
        T[]? List<T>(string name, Func<string, T[]> read) => metadata.Contains(Prefix + name) ? read(Prefix + name) : null;
        return new GgufVocabulary(path, metadata.GetString(Prefix + "model"), metadata.GetStringArray(Prefix + "tokens"))
        {
            Pre = metadata.GetString(Prefix + "pre", "default"),
            Scores = List("scores", metadata.GetFloatArray),
            TokenTypes = List("token_type", metadata.GetInt32Array),
            Merges = List("merges", metadata.GetStringArray),
            BosId = Id("bos_token_id"),
            EosId = Id("eos_token_id"),
            UnknownId = Id("unknown_token_id"),
            PadId = Id("padding_token_id"),
            EotId = Id("eot_token_id"),
            EomId = Id("eom_token_id"),
            SeparatorId = Id("seperator_token_id") ?? Id("separator_token_id"), // the first spelling is the format's own
            ClassificationId = Id("cls_token_id"),
            AddBos = Flag("add_bos_token"),
            AddEos = Flag("add_eos_token"),
            AddSpacePrefix = Flag("add_space_prefix"),
            RemoveExtraWhitespaces = Flag("remove_extra_whitespaces") ?? false,
            PrecompiledCharsMap = List("precompiled_charsmap", metadata.GetInt32Array)?.Select(value => unchecked((byte)value)).ToArray(),
        };
    }
}
