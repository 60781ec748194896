using System.Globalization;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Moderations;

/// <summary>What a model of the Llama Guard kind says of a text.</summary>
/// <param name="IsUnsafe">Its verdict.</param>
/// <param name="Hazards">The numbers of the hazards it names: 1 for "S1".</param>
/// <param name="Probability">Of "unsafe" against "safe", between 0 and 1.</param>
internal sealed record ModerationVerdict(bool IsUnsafe, IReadOnlyList<int> Hazards, double Probability)
{
    private const string Safe = "safe";
    private const string Unsafe = "unsafe";

    /// <summary>OpenAI's categories, in the order of its answers.</summary>
    public static IReadOnlyList<string> Categories { get; } =
    [
        "harassment", "harassment/threatening", "sexual", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm/intent", "self-harm/instructions", "self-harm", "sexual/minors",
        "violence", "violence/graphic",
    ];

    // The hazards of Llama Guard 3 and 4 (MLCommons' taxonomy) and what comes nearest to them. Specialised advice (6), privacy (7), intellectual
    // property (8) and elections (13) have no counterpart.
    private static readonly Dictionary<int, string[]> _categories = new()
    {
        [1] = ["illicit", "illicit/violent", "violence"],
        [2] = ["illicit"],
        [3] = ["illicit", "sexual"],
        [4] = ["sexual", "sexual/minors"],
        [5] = ["harassment"],
        [9] = ["illicit", "illicit/violent"],
        [10] = ["hate"],
        [11] = ["self-harm"],
        [12] = ["sexual"],
        [14] = ["illicit"],
    };

    /// <summary>Whether the verdict is of a category.</summary>
    public bool Names(string category) => IsUnsafe && Hazards.Any(hazard => _categories.TryGetValue(hazard, out string[]? categories) && categories.Contains(category));

    /// <summary>The probability of "unsafe" for the categories that are named, and for all when none is; 0 for those that an unsafe text is not of.</summary>
    public double ScoreOf(string category) => !IsUnsafe || Names(category) ? Probability : 0;

    /// <summary>Null when the answer is no verdict.</summary>
    public static ModerationVerdict? Of(CollectedChoice choice)
    {
        string[] lines = choice.Text.ToString().Trim().Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0 || lines[0] is not (Safe or Unsafe))
        {
            return null;
        }

        bool isUnsafe = lines[0] == Unsafe;
        var hazards = new List<int>();
        foreach (string name in isUnsafe && lines.Length > 1 ? lines[1].Split(',', StringSplitOptions.TrimEntries) : [])
        {
            if (name.StartsWith('S') && int.TryParse(name.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int hazard))
            {
                hazards.Add(hazard);
            }
        }

        return new ModerationVerdict(isUnsafe, hazards, ProbabilityOf(choice.Tokens, isUnsafe));
    }

    // The verdict's first token decides: its alternatives tell how likely the other one was. A vocabulary may cut "unsafe" after any letter.
    private static double ProbabilityOf(IEnumerable<TokenLogprob> tokens, bool isUnsafe)
    {
        TokenLogprob? first = tokens.FirstOrDefault(static token => !string.IsNullOrWhiteSpace(token.Text));
        double safe = 0;
        double @unsafe = 0;
        foreach (TokenLogprob token in first is null ? [] : first.Top.Where(other => other.Id != first.Id).Append(first))
        {
            string text = token.Text.Trim();
            if (text.Length > 0 && Safe.StartsWith(text, StringComparison.Ordinal))
            {
                safe += Math.Exp(token.Logprob);
            }
            else if (text.Length > 0 && Unsafe.StartsWith(text, StringComparison.Ordinal))
            {
                @unsafe += Math.Exp(token.Logprob);
            }
        }

        return safe + @unsafe > 0 ? @unsafe / (safe + @unsafe) : isUnsafe ? 1 : 0;
    }
}
