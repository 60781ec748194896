using System.Runtime.CompilerServices;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>Answers for a <see cref="ScriptedPool"/>.</summary>
internal static class ScriptedAnswers
{
    /// <summary>Reasoning, a call whose arguments come in two pieces, and another call in one.</summary>
    public static IAsyncEnumerable<GenerateEvent> Calls() => new[]
    {
        ScriptedPool.Prompt(),
        Reasoning("Hm, "),
        Reasoning("hm."),
        new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Name = "get_weather", Arguments = "{\"city\"" } } } },
        new GenerateEvent { Token = new TokenChunk { ToolCalls = { new ToolCallDelta { Arguments = ": \"Rome\"}" }, new ToolCallDelta { Index = 1, Name = "get_time", Arguments = "{}" } } } },
        ScriptedPool.Finish(),
        new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 9, ReasoningTokens = 4 } },
    }.ToAsyncEnumerable();

    /// <summary>A text in pieces.</summary>
    public static IAsyncEnumerable<GenerateEvent> Words(params string[] words) => words.Select(word => ScriptedPool.Token(word))
        .Prepend(ScriptedPool.Prompt()).Append(ScriptedPool.Finish()).Append(new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 2 } }).ToAsyncEnumerable();

    /// <summary>A text that ends in a way of its own.</summary>
    public static IAsyncEnumerable<GenerateEvent> Ending(Finish end) => new[]
    {
        ScriptedPool.Prompt(),
        ScriptedPool.Token("Hello"),
        new GenerateEvent { Finish = end },
        new GenerateEvent { Usage = new Usage { PromptTokens = 3, CompletionTokens = 1 } },
    }.ToAsyncEnumerable();

    public static GenerateEvent Reasoning(string text) => new() { Token = new TokenChunk { Reasoning = text } };

    /// <summary>A refusal before the first event.</summary>
    public static async IAsyncEnumerable<GenerateEvent> Refuse(InferenceException refusal)
    {
        await Task.Yield();
        if (refusal is not null)
        {
            throw refusal;
        }

        yield break;
    }

    /// <summary>A failure after the first token.</summary>
    public static async IAsyncEnumerable<GenerateEvent> FailAfterOneToken(Exception failure, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        yield return ScriptedPool.Prompt();
        yield return ScriptedPool.Token("Hello");
        await Task.Yield();
        throw failure;
    }
}
