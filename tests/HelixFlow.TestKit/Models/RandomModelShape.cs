namespace HelixFlow.TestKit.Models;

/// <summary>The size of a random model.</summary>
/// <param name="Hidden">Elements of a token's state.</param>
/// <param name="Layers">Decoder layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key and value heads.</param>
/// <param name="HeadSize">Elements per head.</param>
/// <param name="FeedForward">Elements of the feed-forward layer.</param>
/// <param name="Vocabulary">Rows of the embedding table; at least 97.</param>
internal sealed record RandomModelShape(int Hidden, int Layers, int Heads, int KvHeads, int HeadSize, int FeedForward, int Vocabulary)
{
    private static readonly Dictionary<string, RandomModelShape> Presets = new()
    {
        ["nano"] = new(64, 2, 4, 2, 16, 192, 512),
        ["tiny"] = new(512, 4, 8, 4, 64, 1536, 8000),
        ["half"] = new(1024, 24, 16, 8, 64, 3072, 151936),
        ["llama1b"] = new(2048, 16, 32, 8, 64, 8192, 128256),
    };

    public static RandomModelShape Of(string preset) => Presets.TryGetValue(preset, out RandomModelShape? shape)
        ? shape
        : throw new ArgumentException($"'{preset}' is not a preset; there are {string.Join(", ", Presets.Keys)}", nameof(preset));
}
