using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Research;

/// <summary>A research job under way: its questions to the model, what they cost, and what it has to say.</summary>
/// <remarks>
/// Whether a question is asked depends on the tokens that are left, so it is decided in the order of the code, before a batch is asked: the same when
/// the code runs again.
/// </remarks>
internal sealed class ResearchSession(Run run, ResearchInput input, ModelLimits model, IModelClient models, StepExecutor<ModelCall, ModelAnswer> answer)
{
    private const int Margin = 8; // templates may count a joint of two texts otherwise than the texts alone

    private readonly Lock _lock = new();
    private readonly List<ResearchNote> _notes = [];
    private ResearchUsage _usage = new(0, 0, 0);
    private int _reserved;
    private int _told;

    public Run Run => run;

    public ResearchInput Input => input;

    public ModelLimits Model => model;

    public ResearchUsage Usage
    {
        get
        {
            lock (_lock)
            {
                return _usage;
            }
        }
    }

    /// <summary>In an order that does not depend on which step ended first.</summary>
    public IReadOnlyList<ResearchNote> Notes
    {
        get
        {
            lock (_lock)
            {
                return
                [
                    .. _notes.Distinct().OrderBy(static note => note.Code, StringComparer.Ordinal).ThenBy(static note => note.Message, StringComparer.Ordinal),
                ];
            }
        }
    }

    public void Note(string code, string message)
    {
        lock (_lock)
        {
            _notes.Add(new ResearchNote(code, message));
        }
    }

    /// <summary>
    /// Makes a question of as many items as fit the model's context, and sets its tokens aside; null when not even one fits, or too few tokens are
    /// left.
    /// </summary>
    /// <param name="address">The step's.</param>
    /// <param name="messages">The question with so many items, the best ones.</param>
    /// <param name="items">How many there are; a question without items has 0 and is asked whole or not at all.</param>
    /// <param name="answerTokens">Most tokens of the answer.</param>
    /// <param name="share">How much of all tokens may be spent when it has been asked.</param>
    /// <param name="schema">What the answer looks like; null for plain text.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<Question?> PrepareAsync(
        string address, Func<int, ModelMessage[]> messages, int items, int answerTokens, double share, string? schema, CancellationToken cancellationToken)
    {
        int room = model.ContextLength - answerTokens - Margin;
        int taken = items;
        while (true)
        {
            ModelMessage[] asked = messages(taken);
            int tokens = await models.CountAsync(model.Name, asked, cancellationToken).ConfigureAwait(false);
            if (tokens <= room)
            {
                var question = new Question(address, new ModelCall(model.Name, asked, answerTokens) { Schema = schema }, tokens + answerTokens, taken);
                return Reserve(question, share) ? question : null;
            }

            if (taken <= 1)
            {
                Note("context_too_small", $"The model '{model.Name}' has {model.ContextLength} tokens of context: too few for some of the questions.");
                return null;
            }

            taken = Math.Clamp((int)(taken * 0.9 * room / tokens), 1, taken - 1);
        }
    }

    /// <summary>Asks what was prepared.</summary>
    public async Task<ModelAnswer> AskAsync(Question question, CancellationToken cancellationToken)
    {
        ModelAnswer answered = await run.StepAsync(question.Address, answer, question.Call, cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            _reserved -= question.Tokens;
            _usage = new ResearchUsage(_usage.Calls + 1, _usage.PromptTokens + answered.PromptTokens, _usage.CompletionTokens + answered.CompletionTokens);
        }

        return answered;
    }

    /// <summary>Tells how far the job is; never less than before.</summary>
    public async Task ReportAsync(int percent, string message, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            percent = _told = Math.Max(_told, Math.Min(99, percent));
        }

        await run.ReportAsync(percent, message, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Tells how far the job is between two percentages, by the pages that are done.</summary>
    public Task ReportAsync(int from, int to, int pages, string message, CancellationToken cancellationToken) =>
        ReportAsync(from + ((to - from) * Math.Min(pages, input.MaxSources) / input.MaxSources), message, cancellationToken);

    private bool Reserve(Question question, double share)
    {
        lock (_lock)
        {
            if (input.MaxTokens is { } most && _usage.PromptTokens + _usage.CompletionTokens + _reserved + question.Tokens > most * share)
            {
                _notes.Add(new ResearchNote("token_budget", "max_tokens did not suffice for all questions to the model; the ranking decided instead."));
                return false;
            }

            _reserved += question.Tokens;
            return true;
        }
    }
}

/// <summary>A question to the model that fits it.</summary>
/// <param name="Address">The step's.</param>
/// <param name="Call">What is asked.</param>
/// <param name="Tokens">What it may cost.</param>
/// <param name="Items">How many items it has.</param>
internal sealed record Question(string Address, ModelCall Call, int Tokens, int Items);
