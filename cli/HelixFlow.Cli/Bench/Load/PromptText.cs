using System.Text;

namespace HelixFlow.Cli.Bench.Load;

/// <summary>Makes texts of about a wanted number of tokens for a server whose tokenizer is not known. Immutable.</summary>
/// <param name="TokensPerWord">What one of the words takes on average.</param>
/// <param name="TokensPerPrompt">What the server adds to a prompt: its chat template.</param>
internal sealed record PromptText(double TokensPerWord, double TokensPerPrompt)
{
    // Common words that most tokenizers know as one token with the space before them.
    private static readonly string[] Words =
        ("time year people way day man thing woman life child world school state family student group country problem hand part place case week company "
        + "system program question work government number night point home water room mother area money story fact month lot right study book eye job "
        + "word business issue side kind head house service friend father power hour game line end member law car city community name president team "
        + "minute idea body information back parent face others level office door health person art war history party result change morning reason "
        + "research girl guy moment air teacher force education foot boy age policy music market sense nation plan college interest death course "
        + "experience effect use class control field role effort rate heart drug show leader light voice wife police mind price report decision son "
        + "view town road form value paper space ground table center couple site project activity star need court oil situation cost industry figure "
        + "street image phone data picture practice piece land product doctor wall patient worker news test movie north love support technology").Split(' ');

    /// <summary>What is assumed of a server that does not say how many tokens a prompt had.</summary>
    public static PromptText Assumed { get; } = new(1, 0);

    /// <summary>Works out both figures from what a server said of two prompts; as assumed where that makes no sense.</summary>
    public static PromptText Calibrate(int fewWords, int fewTokens, int manyWords, int manyTokens)
    {
        double perWord = (double)(manyTokens - fewTokens) / (manyWords - fewWords);
        return perWord > 0 ? new PromptText(perWord, Math.Max(0, fewTokens - (fewWords * perWord))) : Assumed;
    }

    /// <summary>A text of this many words; the same key gives the same text.</summary>
    public static string OfWords(int words, int key)
    {
        var random = new Random(key);
        var text = new StringBuilder();
        for (int i = 0; i < words; i++)
        {
            text.Append(i == 0 ? "" : " ").Append(Words[random.Next(Words.Length)]);
        }

        return text.ToString();
    }

    /// <summary>The messages of a request: user, assistant, user, ….</summary>
    /// <param name="request">What is planned.</param>
    /// <param name="seed">The workload's seed.</param>
    public List<string> Messages(PlannedRequest request, int seed)
    {
        var texts = new List<string>();
        for (int i = 0; i < request.Messages.Count; i++)
        {
            int words = Math.Max(1, (int)Math.Round((request.Messages[i] - (i == 0 ? TokensPerPrompt : 0)) / TokensPerWord));
            string text = OfWords(words, Key(seed, request.Conversation, i));
            texts.Add(i == 0 && request.PrefixTokens > 0 ? OfWords(Math.Max(1, (int)Math.Round(request.PrefixTokens / TokensPerWord)), Key(seed, -1, 0)) + " " + text : text);
        }

        return texts;
    }

    // Not HashCode, which differs from process to process.
    private static int Key(int seed, int conversation, int message) => unchecked((int)((((seed * 0x9E3779B1L) + conversation) * 0x85EBCA6BL) + (message * 0xC2B2AE35L)));
}
