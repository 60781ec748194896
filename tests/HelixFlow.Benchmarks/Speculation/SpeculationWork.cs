using System.Text.Json;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Benchmarks.Speculation;

/// <summary>A kind of work: prompts and, unless the model speaks for itself, what follows each.</summary>
/// <param name="Name">The kind.</param>
/// <param name="Prompts">The prompts.</param>
/// <param name="Answer">What follows every one of them; empty: what the model says.</param>
internal sealed record SpeculationWork(string Name, int[][] Prompts, int[] Answer)
{
    /// <summary>The kinds that can be made.</summary>
    /// <param name="text">A text of at least twice as many tokens as prompt and answer have together.</param>
    /// <param name="tokenizer">The tokenizer to read it with.</param>
    /// <param name="model">The model's folder or file; where there is a reference.json beside it, its prompts are a kind of work.</param>
    /// <param name="prompt">Tokens of a prompt.</param>
    /// <param name="answer">Tokens of an answer.</param>
    public static IEnumerable<SpeculationWork> All(string text, Tokenizer tokenizer, string model, int prompt, int answer)
    {
        int[] tokens = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
        int[] start = tokens[..prompt];
        var random = new Random(1);
        yield return new SpeculationWork("edit: quotes the prompt, a word in 15 changed", [start], [.. start.Take(answer).Select(token => random.Next(15) == 0 ? tokens[random.Next(tokens.Length)] : token)]);
        yield return new SpeculationWork("loop: repeats 25 tokens", [start], [.. Enumerable.Range(0, answer).Select(i => tokens[prompt + (i % 25)])]);
        yield return new SpeculationWork("prose: goes on with the text", [start], tokens[prompt..(prompt + answer)]);
        yield return new SpeculationWork("random: any token after any", [start], [.. Enumerable.Range(0, answer).Select(_ => random.Next(tokenizer.VocabularySize))]);
        string reference = Path.Combine(model, "reference.json");
        if (File.Exists(reference))
        {
            using JsonDocument answers = JsonDocument.Parse(File.ReadAllBytes(reference));
            int[][] prompts = [.. answers.RootElement.GetProperty("cases").EnumerateArray()
                .Select(one => one.GetProperty("prompt_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray())];
            yield return new SpeculationWork("answers: the model's own", prompts, []);
        }
        else
        {
            yield return new SpeculationWork("own: what the model says", [start], []);
        }
    }
}
