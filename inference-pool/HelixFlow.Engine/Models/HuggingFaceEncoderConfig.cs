using HelixFlow.Engine.Backends;

namespace HelixFlow.Engine.Models;

/// <summary>Reads an <see cref="EncoderConfig"/> from the config.json of BertModel, XLMRobertaModel or NomicBertModel, and of those with a head.</summary>
/// <remarks>Values that a file leaves out have the defaults of the family's configuration class in transformers.</remarks>
internal static class HuggingFaceEncoderConfig
{
    /// <summary>The values of model_type that are encoders here.</summary>
    public static bool IsEncoder(string modelType) => modelType is "bert" or "xlm-roberta" or "roberta" or "camembert" or "nomic_bert";

    /// <param name="json">config.json.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="sentences">What sentence-transformers adds.</param>
    public static EncoderConfig Read(ConfigJson json, string path, SentenceModules sentences)
    {
        EncoderConfig config = json.String("model_type") == "nomic_bert" ? ReadNomic(json) : ReadBert(json);
        return (config with
        {
            Pooling = sentences.Pooling ?? config.Pooling,
            ContextLength = Math.Min(config.ContextLength, sentences.MaxTokens ?? int.MaxValue),
        }).Validated(path);
    }

    private static EncoderConfig ReadBert(ConfigJson json)
    {
        bool roberta = json.String("model_type") != "bert";
        if (json.String("position_embedding_type", "absolute") is var positions && positions != "absolute")
        {
            throw json.Error($"the position embedding '{positions}' is not supported; 'absolute' is");
        }

        int first = roberta ? json.Int("pad_token_id", 1) + 1 : 0;
        int rows = json.Int("max_position_embeddings", 512);
        string className = json.Strings("architectures") is [var name, ..] ? name : "";
        bool ranks = className.EndsWith("ForSequenceClassification", StringComparison.Ordinal);
        return new EncoderConfig
        {
            Architecture = roberta ? "xlm-roberta" : "bert",
            Layers = json.Int("num_hidden_layers", 12),
            Hidden = json.Int("hidden_size", 768),
            Heads = json.Int("num_attention_heads", 12),
            FeedForward = json.Int("intermediate_size", 3072),
            Vocabulary = json.Int("vocab_size", 30522),
            ContextLength = rows - first,
            NormEpsilon = json.Float("layer_norm_eps", 1e-12f),
            TokenTypes = json.Int("type_vocab_size", 2),
            PositionRows = rows,
            FirstPosition = first,
            Activation = ActivationOf(json, "hidden_act", "gelu"),
            Biases = true,
            Labels = ranks ? json.Object("id2label")?.Count ?? json.Int("num_labels", 2) : 0,
            HeadDense = ranks,
            Pooling = Pooling.First,
        };
    }

    private static EncoderConfig ReadNomic(ConfigJson json)
    {
        foreach (string bias in (string[])["qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"])
        {
            if (json.Bool(bias, false))
            {
                throw json.Error($"'{bias}' is true; projections with biases are not supported in this family");
            }
        }

        if (json.Bool("prenorm", false) || json.Int("num_experts", 0) > 0 || json.Bool("rotary_emb_interleaved", false))
        {
            throw json.Error("norms before the layers, experts and interleaved rotary embeddings are not supported in this family");
        }

        int hidden = json.Int("n_embd", 768);
        int heads = json.Int("n_head", 12);
        int headSize = heads > 0 ? hidden / heads : 0;
        int context = json.Int("n_positions", 8192);
        return new EncoderConfig
        {
            Architecture = "nomic-bert",
            Layers = json.Int("n_layer", 12),
            Hidden = hidden,
            Heads = heads,
            FeedForward = json.Int("n_inner", 4 * hidden),
            Vocabulary = json.Int("vocab_size"),

            // Beyond what it was trained on it would stretch its frequencies with the text's length.
            ContextLength = json.Has("rotary_scaling_factor") ? Math.Min(context, json.Int("max_trained_positions", context)) : context,
            NormEpsilon = json.Float("layer_norm_epsilon", 1e-12f),
            TokenTypes = json.Int("type_vocab_size", 2),
            PositionRows = 0,
            Rope = new RopeConfig(RopePairing.Halves, (int)(headSize * json.Float("rotary_emb_fraction", 1)), json.Float("rotary_emb_base", 10000)),
            Activation = ActivationOf(json, "activation_function", "swiglu"),
            Gated = json.String("activation_function", "swiglu").EndsWith("glu", StringComparison.Ordinal),
            FusedProjections = true,
            Pooling = Pooling.Mean,
        };
    }

    private static Activation ActivationOf(ConfigJson json, string name, string fallback) => json.String(name, fallback) switch
    {
        "gelu" or "geglu" => Activation.GeluErf,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => Activation.GeluTanh,
        "swiglu" or "silu" => Activation.Silu,
        var other => throw json.Error($"the activation '{other}' is not supported in this family; gelu, gelu_new, geglu and swiglu are"),
    };
}
