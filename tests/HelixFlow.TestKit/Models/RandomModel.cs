using System.Text.Json;
using HelixFlow.Engine.Formats;
using HelixFlow.LlamaCpp;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.TestKit.Models;

/// <summary>Writes models with random weights in a real model's shape, to compare speed and numbers. The same arguments give the same bytes.</summary>
public static class RandomModel
{
    /// <summary>Positions that a random model is made for; with LongRoPE its original context is <see cref="OriginalContext"/>.</summary>
    public const int ContextLength = 8192;

    /// <summary>The original context of the models with LongRoPE or Llama 3's rope scaling.</summary>
    public const int OriginalContext = 1024;

    /// <summary>The families that <see cref="Write"/> knows.</summary>
    public static IReadOnlyCollection<string> Families => RandomModelFamily.Names;

    /// <summary>Writes a GGUF file.</summary>
    /// <param name="preset">nano (0.2 M parameters), tiny (18 M), half (0.5 B), llama1b (1.2 B, the shape of Llama-3.2-1B).</param>
    /// <param name="family">llama, llama3 (with rope scaling), mistral, qwen2, qwen3, gemma2, gemma3, phi3 or phi3long (with LongRoPE).</param>
    /// <param name="type">The type of all matrices. K types, Q4_1 and Q5 are made by llama.cpp's own quantiser.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="seed">Another seed gives other numbers.</param>
    public static void Write(string preset, string family, TensorType type, string path, ulong seed = 0)
    {
        if (type is TensorType.F32 or TensorType.F16 or TensorType.BF16 or TensorType.Q8_0 or TensorType.Q4_0)
        {
            WriteDirectly(new RandomModelPlan(preset, family), type, path, seed);
            return;
        }

        string unquantised = $"{path}.bf16";
        WriteDirectly(new RandomModelPlan(preset, family), TensorType.BF16, unquantised, seed);
        try
        {
            LlamaCppLibrary.Load().Quantise(unquantised, path, type);
        }
        finally
        {
            File.Delete(unquantised);
        }
    }

    /// <summary>Writes the weights that <see cref="Write"/> makes from the same arguments as a Hugging Face model.</summary>
    /// <param name="preset">As for <see cref="Write"/>; the model is assembled in memory, which is meant for the small ones.</param>
    /// <param name="family">As for <see cref="Write"/>.</param>
    /// <param name="type">F32, F16 or BF16.</param>
    /// <param name="folder">The folder to write config.json and model.safetensors to; it is created.</param>
    /// <param name="seed">As for <see cref="Write"/>.</param>
    /// <param name="changes">Values of config.json to add or replace.</param>
    /// <param name="shards">Files to spread the weights over, with an index when there are several.</param>
    public static void WriteHuggingFace(
        string preset,
        string family,
        TensorType type,
        string folder,
        ulong seed = 0,
        IReadOnlyDictionary<string, object?>? changes = null,
        int shards = 1)
    {
        var plan = new RandomModelPlan(preset, family);
        Directory.CreateDirectory(folder);
        Dictionary<string, object?> config = plan.HuggingFaceConfig(type);
        foreach ((string key, object? value) in changes ?? new Dictionary<string, object?>())
        {
            config[key] = value;
        }

        File.WriteAllText(Path.Combine(folder, "config.json"), JsonSerializer.Serialize(config));
        var map = new Dictionary<string, string>();
        for (int shard = 0; shard < shards; shard++)
        {
            string name = shards == 1 ? "model.safetensors" : $"model-{shard + 1:D5}-of-{shards:D5}.safetensors";
            var writer = new SafetensorsWriter();
            foreach (RandomTensor tensor in plan.Tensors.Where((_, index) => index % shards == shard))
            {
                writer.AddTensor(tensor.HuggingFaceName, tensor.TypeIn(type).ToString(), tensor.Shape, tensor.HuggingFaceBytes(type, seed));
                map.Add(tensor.HuggingFaceName, name);
            }

            writer.Save(Path.Combine(folder, name));
        }

        if (shards > 1)
        {
            File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), JsonSerializer.Serialize(new { weight_map = map }));
        }
    }

    private static void WriteDirectly(RandomModelPlan plan, TensorType type, string path, ulong seed)
    {
        var writer = new GgufWriter();
        foreach ((string key, object value) in plan.GgufMetadata(type))
        {
            writer.Add(key, value);
        }

        foreach (RandomTensor tensor in plan.Tensors)
        {
            writer.AddTensor(
                tensor.GgufName, tensor.TypeIn(type), tensor.Shape, tensor.SizeBytes(type), stream => tensor.Write(stream, type, seed));
        }

        foreach ((string name, float[] factors) in plan.RopeFactorTensors())
        {
            writer.AddTensor(name, [factors.Length], factors);
        }

        writer.Save(path);
    }
}
