namespace HelixFlow.Engine.Formats;

/// <summary>Reads the weight_map of a model.safetensors.index.json.</summary>
internal static class SafetensorsIndex
{
    /// <summary>Which shard file holds each tensor.</summary>
    public static unsafe Dictionary<string, string> Read(string path)
    {
        using MappedFile file = MappedFile.Open(path);
        if (file.Length > SafetensorsShard.MaxHeaderBytes)
        {
            throw new ModelFormatException(
                path, null, $"the index has {file.Length} bytes; at most {SafetensorsShard.MaxHeaderBytes} are allowed");
        }

        return JsonHeader.Parse(path, 0, new ReadOnlySpan<byte>(file.Start, (int)file.Length), ReadIndex);
    }

    private static Dictionary<string, string> ReadIndex(ref JsonHeader json)
    {
        Dictionary<string, string>? weightMap = null;
        json.BeginObject("the index");
        while (json.NextProperty("the index") is { } property)
        {
            if (property != "weight_map")
            {
                json.SkipValue();
                continue;
            }

            if (weightMap is not null)
            {
                throw json.Error("weight_map appears twice");
            }

            weightMap = ReadWeightMap(ref json);
        }

        json.End();
        return weightMap ?? throw json.Error("the index has no weight_map");
    }

    private static Dictionary<string, string> ReadWeightMap(ref JsonHeader json)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        var shards = new Dictionary<string, string>(StringComparer.Ordinal); // one string object for each shard name
        json.BeginObject("weight_map");
        while (json.NextProperty("weight_map") is { } tensor)
        {
            string shard = json.ReadString($"the shard of '{tensor}'");
            if (!shards.TryGetValue(shard, out string? known))
            {
                shards.Add(shard, known = IsPlainFileName(shard)
                    ? shard
                    : throw json.Error($"the shard name '{shard}' is not a plain .safetensors file name in the index's own folder"));
            }

            if (!map.TryAdd(tensor, known))
            {
                throw json.Error($"tensor '{tensor}' appears twice");
            }
        }

        return map;
    }

    private static bool IsPlainFileName(string name) =>
        name.EndsWith(".safetensors", StringComparison.Ordinal) && name.AsSpan().IndexOfAny("/\\:\0") < 0;
}
