using System.Collections.Concurrent;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.JobTypes;

/// <summary>A model whose answers a test writes. A token is four characters or what is left of them; each message costs five more.</summary>
internal sealed class ScriptedModel(int contextLength, Func<ModelCall, string> answer) : IModelClient
{
    public ConcurrentQueue<ModelCall> Calls { get; } = new();

    public ConcurrentQueue<StepContext> Contexts { get; } = new();

    /// <summary>The tools that it calls, by the question and how many questions there were before it; the answer's text then comes beside them.</summary>
    public Func<ModelCall, int, IReadOnlyList<(string Name, string Arguments)>> CallsOf { get; init; } = static (_, _) => [];

    /// <summary>What is asked after so many questions fails, once.</summary>
    public int FailAfter { get; set; } = int.MaxValue;

    public Task<ModelLimits> FindAsync(string? model, CancellationToken cancellationToken) => model is null or "scripted"
        ? Task.FromResult(new ModelLimits("scripted", contextLength))
        : throw new JobFailedException("unknown_model", $"There is no model '{model}'.");

    public Task<int> CountAsync(string model, IReadOnlyList<ModelMessage> messages, CancellationToken cancellationToken) => Task.FromResult(Count(messages));

    public Task<int> CountAsync(ModelCall question, CancellationToken cancellationToken) => Task.FromResult(Count(question));

    public Task<ModelAnswer> AnswerAsync(ModelCall question, StepContext context, CancellationToken cancellationToken)
    {
        Assert.True(Count(question) + question.MaxTokens <= contextLength, "the question and its answer do not fit the context");
        int before;
        lock (Calls) // questions come at the same time, and one of them is the one that fails
        {
            before = Calls.Count;
            if (before >= FailAfter)
            {
                FailAfter = int.MaxValue;
                throw new InvalidOperationException("the model is away");
            }

            Calls.Enqueue(question);
        }

        Contexts.Enqueue(context);
        string text = answer(question);
        int most = question.MaxTokens * 4;
        ModelToolCall[] calls = question.Tools is null ? [] : [.. CallsOf(question, before).Select(static (call, i) => new ModelToolCall($"call_{i + 1}", call.Name, call.Arguments))];
        return Task.FromResult(new ModelAnswer(text.Length > most ? text[..most] : text, text.Length > most, Count(question), Math.Clamp((text.Length + 3) / 4, 1, question.MaxTokens))
        {
            Calls = calls.Length == 0 ? null : calls,
        });
    }

    private static int Count(ModelCall question) =>
        Count(question.Messages) + (question.Tools ?? []).Sum(static tool => 5 + ((tool.Name.Length + tool.Description.Length + tool.Parameters.GetRawText().Length + 3) / 4));

    private static int Count(IReadOnlyList<ModelMessage> messages) => messages.Sum(static message => 5 + ((message.Content.Length + 3) / 4));
}
