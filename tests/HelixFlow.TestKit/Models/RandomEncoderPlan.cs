using System.Globalization;

namespace HelixFlow.TestKit.Models;

/// <summary>What the files of a random encoder contain.</summary>
internal sealed class RandomEncoderPlan
{
    private const float NormEpsilon = 1e-12f;
    private const float RopeBase = 1000;

    private readonly string _family;
    private readonly int _hidden;
    private readonly int _layers;
    private readonly int _heads;
    private readonly int _feedForward;
    private readonly int _vocabulary;
    private readonly int _labels;
    private readonly int _context;

    public RandomEncoderPlan(string preset, string family, int labels, int contextLength)
    {
        (_hidden, _layers, _heads, _feedForward, _vocabulary) = preset switch
        {
            "nano" => (64, 2, 4, 192, 512),
            "minilm" => (384, 6, 12, 1536, 30522),
            "base" => (768, 12, 12, 3072, 30522),
            _ => throw new ArgumentException($"'{preset}' is not a preset; there are nano, minilm and base", nameof(preset)),
        };
        _family = RandomEncoder.Families.Contains(family) ? family : throw new ArgumentException($"'{family}' is not a family of encoders", nameof(family));
        _labels = labels;
        _context = contextLength;
        Tensors = [.. ListTensors()];
    }

    public IReadOnlyList<RandomTensor> Tensors { get; }

    /// <summary>Rows of the table of positions that only the Hugging Face model has.</summary>
    public int FirstPosition => IsRoberta ? 2 : 0;

    private bool IsNomic => _family == "nomic-bert";

    private bool IsRoberta => _family == "xlm-roberta";

    private int Types => IsRoberta ? 1 : 2;

    public IEnumerable<(string Key, object Value)> GgufMetadata(uint pooling)
    {
        string prefix = IsNomic ? "nomic-bert" : "bert";
        yield return ("general.architecture", prefix);
        yield return ("general.name", "random-encoder");
        yield return ($"{prefix}.context_length", (uint)_context);
        yield return ($"{prefix}.embedding_length", (uint)_hidden);
        yield return ($"{prefix}.block_count", (uint)_layers);
        yield return ($"{prefix}.feed_forward_length", (uint)_feedForward);
        yield return ($"{prefix}.attention.head_count", (uint)_heads);
        yield return ($"{prefix}.attention.layer_norm_epsilon", NormEpsilon);
        yield return ($"{prefix}.attention.causal", false);
        yield return ($"{prefix}.pooling_type", pooling);
        if (IsNomic)
        {
            yield return ($"{prefix}.rope.freq_base", RopeBase);
        }

        if (_labels > 0)
        {
            yield return ($"{prefix}.classifier.output_labels", Enumerable.Range(0, _labels).Select(label => $"LABEL_{label}").ToArray());
        }

        string[] texts = [.. Vocabulary()];
        var types = new int[_vocabulary];
        types.AsSpan().Fill(1);
        types.AsSpan(0, 5).Fill(3);
        types[IsRoberta ? 3 : 1] = 2;
        yield return ("tokenizer.ggml.model", IsRoberta ? "t5" : "bert");
        yield return ("tokenizer.ggml.token_type_count", (uint)Types);
        yield return ("tokenizer.ggml.tokens", texts.Select((text, id) => id < 5 || IsRoberta ? text : text.StartsWith("##", StringComparison.Ordinal) ? text[2..] : "\u2581" + text).ToArray());
        yield return ("tokenizer.ggml.token_type", types);
        yield return ("tokenizer.ggml.scores", Scores());
        yield return ("tokenizer.ggml.bos_token_id", IsRoberta ? 0u : 2u);
        yield return ("tokenizer.ggml.eos_token_id", IsRoberta ? 2u : 3u);
        yield return ("tokenizer.ggml.seperator_token_id", IsRoberta ? 2u : 3u);
        yield return ("tokenizer.ggml.unknown_token_id", IsRoberta ? 3u : 1u);
        yield return ("tokenizer.ggml.padding_token_id", IsRoberta ? 1u : 0u);
        yield return ("tokenizer.ggml.add_bos_token", true);
        yield return ("tokenizer.ggml.add_eos_token", true);
    }

    public Dictionary<string, object> HuggingFaceConfig() => IsNomic
        ? new()
        {
            ["architectures"] = new[] { "NomicBertModel" },
            ["model_type"] = "nomic_bert",
            ["n_embd"] = _hidden,
            ["n_layer"] = _layers,
            ["n_head"] = _heads,
            ["n_inner"] = _feedForward,
            ["n_positions"] = _context,
            ["vocab_size"] = _vocabulary,
            ["type_vocab_size"] = Types,
            ["layer_norm_epsilon"] = NormEpsilon,
            ["activation_function"] = "swiglu",
            ["rotary_emb_base"] = RopeBase,
            ["rotary_emb_fraction"] = 1.0,
            ["qkv_proj_bias"] = false,
            ["mlp_fc1_bias"] = false,
            ["mlp_fc2_bias"] = false,
        }
        : new()
        {
            ["architectures"] = new[] { (IsRoberta ? "XLMRoberta" : "Bert") + (_labels > 0 ? "ForSequenceClassification" : "Model") },
            ["model_type"] = IsRoberta ? "xlm-roberta" : "bert",
            ["hidden_size"] = _hidden,
            ["num_hidden_layers"] = _layers,
            ["num_attention_heads"] = _heads,
            ["intermediate_size"] = _feedForward,
            ["max_position_embeddings"] = _context + FirstPosition,
            ["vocab_size"] = _vocabulary,
            ["type_vocab_size"] = Types,
            ["pad_token_id"] = IsRoberta ? 1 : 0,
            ["layer_norm_eps"] = NormEpsilon,
            ["hidden_act"] = "gelu",
            ["id2label"] = Enumerable.Range(0, Math.Max(1, _labels)).ToDictionary(label => label.ToString(CultureInfo.InvariantCulture), label => $"LABEL_{label}"),
        };

    public object HuggingFaceTokenizer()
    {
        string[] texts = [.. Vocabulary()];
        (string start, string end) = IsRoberta ? ("<s>", "</s>") : ("[CLS]", "[SEP]");
        object[] single = [Special(start, 0), Sequence("A", 0), Special(end, 0)];
        object[] pair = IsRoberta
            ? [.. single, Special(end, 0), Sequence("B", 0), Special(end, 0)]
            : [.. single, Sequence("B", 1), Special(end, 1)];
        return new Dictionary<string, object>
        {
            ["version"] = "1.0",
            ["added_tokens"] = texts.Take(5).Select((text, id) => new { id, content = text, special = true, lstrip = false, rstrip = false, single_word = false, normalized = false }),
            ["normalizer"] = IsRoberta
                ? new { type = "Replace", pattern = new { Regex = " {2,}" }, content = " " }
                : new { type = "BertNormalizer", clean_text = true, handle_chinese_chars = true, strip_accents = (bool?)null, lowercase = true },
            ["pre_tokenizer"] = IsRoberta
                ? new { type = "Metaspace", replacement = "\u2581", prepend_scheme = "always", split = true }
                : new { type = "BertPreTokenizer" },
            ["post_processor"] = new
            {
                type = "TemplateProcessing",
                single,
                pair,
                special_tokens = new[] { start, end }.ToDictionary(text => text, text => new { id = text, ids = new[] { Array.IndexOf(texts, text) }, tokens = new[] { text } }),
            },
            ["decoder"] = IsRoberta
                ? new { type = "Metaspace", replacement = "\u2581", prepend_scheme = "always", split = true }
                : new { type = "WordPiece", prefix = "##", cleanup = true },
            ["model"] = IsRoberta
                ? new { type = "Unigram", unk_id = 3, vocab = texts.Zip(Scores(), (text, score) => new object[] { text, score }) }
                : new
                {
                    type = "WordPiece",
                    unk_token = "[UNK]",
                    continuing_subword_prefix = "##",
                    max_input_chars_per_word = 100,
                    vocab = texts.Select((text, id) => (text, id)).ToDictionary(entry => entry.text, entry => entry.id),
                },
        };

        static object Special(string id, int type) => new { SpecialToken = new { id, type_id = type } };

        static object Sequence(string id, int type) => new { Sequence = new { id, type_id = type } };
    }

    /// <summary>Texts as Hugging Face writes them: five special tokens, letters and digits at the start of a word and inside one, then w0, w1, ….</summary>
    private IEnumerable<string> Vocabulary()
    {
        string[] special = IsRoberta ? ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] : ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        const string Characters = "abcdefghijklmnopqrstuvwxyz0123456789.,?";
        IEnumerable<string> starts = Characters.Select(letter => IsRoberta ? $"\u2581{letter}" : letter.ToString());
        IEnumerable<string> inner = Characters.Select(letter => IsRoberta ? letter.ToString() : $"##{letter}");
        string[] known = [.. special, .. starts, .. inner];
        return known.Concat(Enumerable.Range(0, _vocabulary - known.Length).Select(number => $"{(IsRoberta ? "\u2581" : "")}w{number}"));
    }

    // Whole words are likelier than their letters.
    private float[] Scores() => [.. Vocabulary().Select((text, id) => id < 5 ? 0f : text.Length < 3 ? -9f : -5f)];

    private IEnumerable<RandomTensor> ListTensors()
    {
        string start = _labels == 0 || IsNomic ? "" : IsRoberta ? "roberta." : "bert.";
        yield return Table("token_embd", $"{start}embeddings.word_embeddings", _vocabulary);
        yield return Table("token_types", $"{start}embeddings.token_type_embeddings", Types) with { Kind = RandomTensorKind.Bias }; // float32, as converters leave it
        if (!IsNomic)
        {
            yield return Table("position_embd", $"{start}embeddings.position_embeddings", _context) with { Kind = RandomTensorKind.Bias };
        }

        foreach (RandomTensor tensor in Norm("token_embd_norm", IsNomic ? "emb_ln" : $"{start}embeddings.LayerNorm"))
        {
            yield return tensor;
        }

        for (int i = 0; i < _layers; i++)
        {
            string layer = IsNomic ? $"encoder.layers.{i}." : $"{start}encoder.layer.{i}.";
            foreach (RandomTensor tensor in IsNomic ? ListNomicLayer() : ListBertLayer())
            {
                yield return tensor with { GgufName = $"blk.{i}.{tensor.GgufName}", HuggingFaceName = layer + tensor.HuggingFaceName };
            }
        }

        if (_labels > 0)
        {
            foreach (RandomTensor tensor in Linear("cls", IsRoberta ? "classifier.dense" : "bert.pooler.dense", _hidden, _hidden)
                .Concat(Linear("cls.output", IsRoberta ? "classifier.out_proj" : "classifier", _labels, _hidden)))
            {
                yield return tensor;
            }
        }
    }

    private IEnumerable<RandomTensor> ListBertLayer() =>
    [
        .. Linear("attn_q", "attention.self.query", _hidden, _hidden),
        .. Linear("attn_k", "attention.self.key", _hidden, _hidden),
        .. Linear("attn_v", "attention.self.value", _hidden, _hidden),
        .. Linear("attn_output", "attention.output.dense", _hidden, _hidden),
        .. Norm("attn_output_norm", "attention.output.LayerNorm"),
        .. Linear("ffn_up", "intermediate.dense", _feedForward, _hidden),
        .. Linear("ffn_down", "output.dense", _hidden, _feedForward),
        .. Norm("layer_output_norm", "output.LayerNorm"),
    ];

    private IEnumerable<RandomTensor> ListNomicLayer() =>
    [
        Matrix("attn_qkv", "attn.Wqkv", 3 * _hidden, _hidden),
        Matrix("attn_output", "attn.out_proj", _hidden, _hidden),
        .. Norm("attn_output_norm", "norm1"),
        Matrix("ffn_up", "mlp.fc11", _feedForward, _hidden),
        Matrix("ffn_gate", "mlp.fc12", _feedForward, _hidden),
        Matrix("ffn_down", "mlp.fc2", _hidden, _feedForward),
        .. Norm("layer_output_norm", "norm2"),
    ];

    private RandomTensor Table(string gguf, string huggingFace, int rows) =>
        new($"{gguf}.weight", $"{huggingFace}.weight", RandomTensorKind.Matrix, rows, _hidden) { Deviation = 1 };

    private IEnumerable<RandomTensor> Norm(string gguf, string huggingFace) =>
    [
        new($"{gguf}.weight", $"{huggingFace}.weight", RandomTensorKind.Norm, _hidden) { Mean = 1 },
        new($"{gguf}.bias", $"{huggingFace}.bias", RandomTensorKind.Bias, _hidden),
    ];

    private static RandomTensor Matrix(string gguf, string huggingFace, int rows, int columns) =>
        new($"{gguf}.weight", $"{huggingFace}.weight", RandomTensorKind.Matrix, rows, columns) { Deviation = 1 / MathF.Sqrt(columns) };

    private static IEnumerable<RandomTensor> Linear(string gguf, string huggingFace, int rows, int columns) =>
        [Matrix(gguf, huggingFace, rows, columns), new($"{gguf}.bias", $"{huggingFace}.bias", RandomTensorKind.Bias, rows)];
}
