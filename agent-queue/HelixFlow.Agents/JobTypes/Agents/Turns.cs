using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>A turn of the model, with all that it depends on: the whole conversation, and what is left of the budget.</summary>
/// <param name="Model">The model, and what fits into it.</param>
/// <param name="Messages">The conversation, however long.</param>
/// <param name="Head">How many of its first messages are the task, which is never left out.</param>
/// <param name="MaxTokens">Most tokens of the answer.</param>
internal sealed record TurnQuestion(ModelLimits Model, IReadOnlyList<ModelMessage> Messages, int Head, int MaxTokens)
{
    public IReadOnlyList<ModelTool>? Tools { get; init; }

    public string? ForcedTool { get; init; }

    public string? Schema { get; init; }

    public long? TokensLeft { get; init; }

    public decimal? MoneyLeft { get; init; }

    public ModelPrice? Price { get; init; }
}

/// <summary>What the model said; or that the budget has no room for another question.</summary>
/// <param name="Answer">The answer; null when none was asked for.</param>
/// <param name="Stop"><c>max_tokens</c> or <c>max_cost</c>.</param>
/// <param name="LeftOut">Earlier turns that were left out for the model's context.</param>
internal sealed record TurnAnswer(ModelAnswer? Answer, string? Stop, int LeftOut);

/// <summary>Asks the model as the budget and its context allow.</summary>
internal static class Turns
{
    private const int LeastTokens = 16; // an answer of fewer says nothing

    public static StepExecutor<TurnQuestion, TurnAnswer> Executor(IModelClient models) => new(
        "agent-turn", 1, EffectClass.Recorded, AgentJson.Default.TurnQuestion, AgentJson.Default.TurnAnswer, (question, step, token) => AskAsync(models, question, step, token))
    {
        Usage = static (question, answer) => answer.Answer is { } asked ? ModelSteps.UsageOf(question.Model.Name, asked) : null,
    };

    private static async Task<TurnAnswer> AskAsync(IModelClient models, TurnQuestion question, StepContext step, CancellationToken cancellationToken)
    {
        // Half of the context is for the answer; a long task with many tools leaves it less.
        int context = question.Model.ContextLength, wanted = Math.Min(question.MaxTokens, context / 2), least = Math.Min(wanted, Math.Max(LeastTokens, context / 8));
        FittedMessages fitted = await ContextFit.FitAsync(models, question, context - wanted, context - least, cancellationToken).ConfigureAwait(false);
        long most = Math.Min(wanted, context - fitted.Tokens);
        if (question.TokensLeft is { } tokens && (most = Math.Min(most, tokens - fitted.Tokens)) < LeastTokens)
        {
            return new TurnAnswer(null, "max_tokens", fitted.LeftOut);
        }

        if (question is { MoneyLeft: { } money, Price: { } price } && (most = Math.Min(most, Affordable(money, price, fitted.Tokens))) < LeastTokens)
        {
            return new TurnAnswer(null, "max_cost", fitted.LeftOut);
        }

        var call = new ModelCall(question.Model.Name, fitted.Messages, (int)most) { Tools = question.Tools, ForcedTool = question.ForcedTool, Schema = question.Schema };
        return new TurnAnswer(await models.AnswerAsync(call, step, cancellationToken).ConfigureAwait(false), null, fitted.LeftOut);
    }

    /// <summary>How many tokens of an answer some money buys, behind a question of so many.</summary>
    internal static long Affordable(decimal money, ModelPrice price, long promptTokens)
    {
        decimal left = money - price.Of(promptTokens, 0);
        return left < 0 ? 0 : price.CompletionPerMillion == 0 ? long.MaxValue : (long)Math.Min(int.MaxValue, left * 1_000_000 / price.CompletionPerMillion);
    }
}
