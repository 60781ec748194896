using System.Text.Json.Nodes;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Models;
using HelixFlow.TestKit.Formats;
using HelixFlow.TestKit.Models;

namespace HelixFlow.Engine.Tests.Models;

public sealed class EncoderConfigTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Theory]
    [InlineData("bert", 0)]
    [InlineData("xlm-roberta", 2)]
    [InlineData("nomic-bert", 0)]
    public void A_folder_is_read_as_what_it_is(string family, int firstPosition)
    {
        RandomEncoder.WriteHuggingFace("nano", family, TensorType.F32, _folder["m"]);
        using ModelFile file = ModelFile.Open(_folder["m"]);

        Assert.Equal((family, 2, 64, 4, 192, 512), (file.Architecture, file.Encoder!.Layers, file.Encoder.Hidden, file.Encoder.Heads, file.Encoder.FeedForward, file.Encoder.Vocabulary));
        Assert.Equal((512, firstPosition, ModelPurpose.Embed, Pooling.Mean), (file.ContextLength, file.Encoder.FirstPosition, file.Purpose, file.Pooling));
        Assert.Equal(family == "nomic-bert" ? Activation.Silu : Activation.GeluErf, file.Encoder.Activation);
        var error = Assert.Throws<ModelFormatException>(() => file.Config);
        Assert.Contains("is an encoder", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cls_token", Pooling.First)]
    [InlineData("mean_tokens", Pooling.Mean)]
    [InlineData("lasttoken", Pooling.Last)]
    [InlineData(null, Pooling.First)]
    public void Pooling_is_what_sentence_transformers_files_say(string? mode, Pooling expected)
    {
        RandomEncoder.WriteHuggingFace("nano", "bert", TensorType.F32, _folder["m"], pooling: mode);
        File.WriteAllText(Path.Combine(_folder["m"], "sentence_bert_config.json"), """{"max_seq_length": 128, "do_lower_case": false}""");
        using ModelFile file = ModelFile.Open(_folder["m"]);
        Assert.Equal((expected, 128), (file.Pooling, file.ContextLength));
    }

    [Theory]
    [InlineData("max_tokens", "max_tokens")]
    [InlineData("weightedmean_tokens", "weightedmean_tokens")]
    public void Pooling_of_another_kind_is_refused_by_its_name(string mode, string named)
    {
        RandomEncoder.WriteHuggingFace("nano", "bert", TensorType.F32, _folder["m"], pooling: mode);
        Assert.Contains(named, Assert.Throws<ModelFormatException>(() => ModelFile.Open(_folder["m"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_module_that_is_not_known_is_refused_by_its_name()
    {
        RandomEncoder.WriteHuggingFace("nano", "bert", TensorType.F32, _folder["m"]);
        File.WriteAllText(Path.Combine(_folder["m"], "modules.json"), """[{"type": "sentence_transformers.models.Transformer", "path": ""}, {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]""");
        Assert.Contains("'Dense'", Assert.Throws<ModelFormatException>(() => ModelFile.Open(_folder["m"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hidden_act", "\"relu\"", "'relu'")]
    [InlineData("num_attention_heads", "5", "64 cannot be split over 5")]
    [InlineData("num_hidden_layers", "0", "number of layers is 0")]
    [InlineData("max_position_embeddings", "1", "context length is 1")]
    [InlineData("position_embedding_type", "\"relative_key\"", "'relative_key'")]
    [InlineData("layer_norm_eps", "2.5", "norm epsilon is 2.5")]
    [InlineData("type_vocab_size", "\"two\"", "'type_vocab_size' is \"two\"")]
    public void A_value_that_makes_no_sense_is_named(string key, string value, string expected)
    {
        RandomEncoder.WriteHuggingFace("nano", "bert", TensorType.F32, _folder["m"]);
        Change(key, JsonNode.Parse(value));
        Assert.Contains(expected, Assert.Throws<ModelFormatException>(() => ModelFile.Open(_folder["m"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_head_of_one_label_ranks_and_one_of_several_is_refused()
    {
        RandomEncoder.WriteHuggingFace("nano", "bert", TensorType.F32, _folder["m"], labels: 1, pooling: null);
        using (ModelFile file = ModelFile.Open(_folder["m"]))
        {
            Assert.Equal((ModelPurpose.Rank, 1, true), (file.Purpose, file.Encoder!.Labels, file.Encoder.HeadDense));
        }

        Change("id2label", JsonNode.Parse("""{"0": "no", "1": "yes"}"""));
        Assert.Contains("2 labels", Assert.Throws<ModelFormatException>(() => ModelFile.Open(_folder["m"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1u, Pooling.Mean)]
    [InlineData(2u, Pooling.First)]
    [InlineData(3u, Pooling.Last)]
    public void A_decoder_that_says_how_it_is_pooled_is_made_for_vectors(uint number, Pooling expected)
    {
        RandomEncoder.Write("nano", "bert", TensorType.F32, _folder["e.gguf"], pooling: number);
        using ModelFile encoder = ModelFile.Open(_folder["e.gguf"]);
        Assert.Equal((ModelPurpose.Embed, expected), (encoder.Purpose, encoder.Pooling));

        RandomModel.WriteHuggingFace("nano", "qwen3", TensorType.F32, _folder["d"]);
        using (ModelFile plain = ModelFile.Open(_folder["d"]))
        {
            Assert.Equal((ModelPurpose.Generate, Pooling.Last), (plain.Purpose, plain.Pooling));
        }

        Directory.CreateDirectory(Path.Combine(_folder["d"], "1_Pooling"));
        File.WriteAllText(Path.Combine(_folder["d"], "1_Pooling", "config.json"), """{"pooling_mode_lasttoken": true}""");
        using ModelFile decoder = ModelFile.Open(_folder["d"]);
        Assert.Equal((ModelPurpose.Embed, Pooling.Last), (decoder.Purpose, decoder.Pooling));
    }

    [Fact]
    public void Damaged_configurations_give_no_other_errors_than_of_their_format()
    {
        RandomEncoder.WriteHuggingFace("nano", "nomic-bert", TensorType.F32, _folder["m"]);
        string path = Path.Combine(_folder["m"], "config.json");
        byte[] whole = File.ReadAllBytes(path);
        var random = new Random(11);
        for (int round = 0; round < 300; round++)
        {
            byte[] damaged = [.. whole];
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(32, 127);
            }

            File.WriteAllBytes(path, damaged);
            try
            {
                ModelFile.Open(_folder["m"]).Dispose();
            }
            catch (ModelFormatException)
            {
                // what damage should give
            }
        }
    }

    public void Dispose() => _folder.Dispose();

    private void Change(string key, JsonNode? value)
    {
        string path = Path.Combine(_folder["m"], "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config[key] = value;
        File.WriteAllText(path, config.ToJsonString());
    }
}
