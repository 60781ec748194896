using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.VectorStores;

/// <summary>What makes a result of a search come before another.</summary>
/// <param name="Threshold">Results with a lower score are left out.</param>
/// <param name="IsHybrid">Whether words count beside vectors; otherwise scores are cosines.</param>
/// <param name="VectorWeight">What the rankings by vectors count.</param>
/// <param name="WordWeight">What the rankings by words count; not both are 0.</param>
internal sealed record RankingOptions(double Threshold = 0, bool IsHybrid = true, double VectorWeight = 1, double WordWeight = 1)
{
    private const float MostWeight = 1000;

    /// <summary>The options in the field "ranking_options".</summary>
    /// <exception cref="Errors.OpenAiException">They are malformed.</exception>
    public static RankingOptions Read(RequestFields fields)
    {
        if (fields.Object("ranking_options") is not { } ranking)
        {
            return new RankingOptions();
        }

        double threshold = ranking.Number("score_threshold", 0, 1) ?? 0;
        bool isHybrid = ranking.String("ranker") switch
        {
            null or "auto" or "default-2024-11-15" or "default_2024_08_21" => true,
            "none" => false,
            { } other => throw ranking.InvalidValue("ranker", other, "'none', 'auto' and 'default-2024-11-15'"),
        };
        if (ranking.Object("hybrid_search") is not { } weights)
        {
            return new RankingOptions(threshold, isHybrid);
        }

        double vectors = weights.Number("embedding_weight", 0, MostWeight) ?? throw weights.Missing("embedding_weight");
        double words = weights.Number("text_weight", 0, MostWeight) ?? throw weights.Missing("text_weight");
        return vectors + words > 0 ? new RankingOptions(threshold, isHybrid, vectors, words) : throw weights.Unsupported("embedding_weight", "and 'text_weight' must not both be 0.");
    }
}
