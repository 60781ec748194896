using System.Globalization;
using System.Text.Json;
using HelixFlow.Engine.Formats;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.TestKit.Models;

/// <summary>Writes encoders with random weights in a real model's shape. The same arguments give the same bytes.</summary>
public static class RandomEncoder
{
    /// <summary>Positions that a random encoder is made for, unless another number is asked for.</summary>
    public const int ContextLength = 512;

    /// <summary>bert, xlm-roberta (stored as bert in GGUF) and nomic-bert.</summary>
    public static IReadOnlyList<string> Families { get; } = ["bert", "xlm-roberta", "nomic-bert"];

    /// <summary>Writes a GGUF file with its tokenizer.</summary>
    /// <param name="preset">nano (0.2 M parameters), minilm (23 M, the shape of all-MiniLM-L6-v2) or base (109 M, that of bge-base).</param>
    /// <param name="family">One of <see cref="Families"/>.</param>
    /// <param name="type">The type of all matrices: F32, F16, BF16, Q8_0 or Q4_0.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="labels">Outputs of a classification head; 0 for none.</param>
    /// <param name="pooling">The number by which GGUF says how states are pooled: 0 none, 1 mean, 2 the first token's, 3 the last one's, 4 by the head.</param>
    /// <param name="contextLength">Positions.</param>
    public static void Write(string preset, string family, TensorType type, string path, int labels = 0, uint pooling = 1, int contextLength = ContextLength)
    {
        var plan = new RandomEncoderPlan(preset, family, labels, contextLength);
        var writer = new GgufWriter();
        foreach ((string key, object value) in plan.GgufMetadata(pooling))
        {
            writer.Add(key, value);
        }

        foreach (RandomTensor tensor in plan.Tensors)
        {
            writer.AddTensor(tensor.GgufName, tensor.TypeIn(type), tensor.Shape, tensor.SizeBytes(type), stream => tensor.Write(stream, type, 0));
        }

        writer.Save(path);
    }

    /// <summary>Writes the weights that <see cref="Write"/> makes from the same arguments as a Hugging Face model with its tokenizer.</summary>
    /// <param name="preset">As for <see cref="Write"/>.</param>
    /// <param name="family">As for <see cref="Write"/>.</param>
    /// <param name="type">F32, F16 or BF16.</param>
    /// <param name="folder">The folder to write to; it is created.</param>
    /// <param name="labels">As for <see cref="Write"/>.</param>
    /// <param name="pooling">The mode that sentence-transformers' pooling file names, for example mean_tokens; null for no such file.</param>
    /// <param name="contextLength">As for <see cref="Write"/>.</param>
    public static void WriteHuggingFace(
        string preset, string family, TensorType type, string folder, int labels = 0, string? pooling = "mean_tokens", int contextLength = ContextLength)
    {
        var plan = new RandomEncoderPlan(preset, family, labels, contextLength);
        Directory.CreateDirectory(folder);
        Save("config.json", plan.HuggingFaceConfig());
        Save("tokenizer.json", plan.HuggingFaceTokenizer());
        if (pooling is not null)
        {
            Directory.CreateDirectory(Path.Combine(folder, "1_Pooling"));
            Save(Path.Combine("1_Pooling", "config.json"), new Dictionary<string, object> { ["word_embedding_dimension"] = 0, [$"pooling_mode_{pooling}"] = true });
            Save("modules.json", (object[])
            [
                new { idx = 0, name = "0", path = "", type = "sentence_transformers.models.Transformer" },
                new { idx = 1, name = "1", path = "1_Pooling", type = "sentence_transformers.models.Pooling" },
                new { idx = 2, name = "2", path = "2_Normalize", type = "sentence_transformers.models.Normalize" },
            ]);
        }

        var writer = new SafetensorsWriter();
        foreach (RandomTensor tensor in plan.Tensors)
        {
            (long[] shape, byte[] bytes) = (tensor.Shape, tensor.HuggingFaceBytes(type, 0));
            if (tensor.GgufName == "position_embd.weight" && plan.FirstPosition > 0)
            {
                // The rows that GGUF leaves out; nothing reads them.
                byte[] unused = new byte[bytes.Length / shape[0] * plan.FirstPosition];
                unused.AsSpan().Fill(0x3F);
                (shape, bytes) = ([shape[0] + plan.FirstPosition, shape[1]], [.. unused, .. bytes]);
            }

            writer.AddTensor(tensor.HuggingFaceName, tensor.TypeIn(type).ToString(), shape, bytes);
        }

        writer.Save(Path.Combine(folder, "model.safetensors"));

        void Save(string name, object content) => File.WriteAllText(Path.Combine(folder, name), JsonSerializer.Serialize(content));
    }

    /// <summary>Words of the random encoders' vocabulary, the same for the same seed.</summary>
    public static string Text(int words, int seed)
    {
        var random = new Random(seed);
        return string.Join(' ', Enumerable.Range(0, words).Select(_ => "w" + random.Next(100).ToString(CultureInfo.InvariantCulture)));
    }
}
