namespace HelixFlow.Simulation.Traces;

/// <summary>How many bytes a model takes on a device, drawn by its name: the same name has the same size in every run with the same seed.</summary>
/// <remarks>
/// Six classes, as collections of open models and their quantisations are spread, in GiB of weights, keys and values and activations together:
/// 2 (15 %), 5 (30 %), 9 (25 %), 16 (15 %), 24 (8 %), 40 (7 %); each evenly within a fifth of its class. The mean is 11.2 GiB.
/// </remarks>
public static class ModelSizes
{
    private const long GiB = 1L << 30;

    private static readonly (double Share, long Bytes)[] Classes =
        [(0.15, 2 * GiB), (0.30, 5 * GiB), (0.25, 9 * GiB), (0.15, 16 * GiB), (0.08, 24 * GiB), (0.07, 40 * GiB)];

    /// <summary>The sizes of all models that are named.</summary>
    public static IReadOnlyDictionary<string, long> Draw(IEnumerable<string> models, int seed)
    {
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (string model in models)
        {
            if (!sizes.ContainsKey(model))
            {
                sizes.Add(model, Of(model, seed));
            }
        }

        return sizes;
    }

    private static long Of(string model, int seed)
    {
        uint hash = 2_166_136_261; // FNV-1a: the framework's own string hash differs from run to run
        foreach (char letter in model)
        {
            hash = (hash ^ letter) * 16_777_619;
        }

        var random = new Random(unchecked((int)hash * 31) ^ seed);
        double draw = random.NextDouble();
        int at = 0;
        while (at < Classes.Length - 1 && draw >= Classes[at].Share)
        {
            draw -= Classes[at].Share;
            at++;
        }

        return (long)(Classes[at].Bytes * (0.8 + (0.4 * random.NextDouble())));
    }
}
