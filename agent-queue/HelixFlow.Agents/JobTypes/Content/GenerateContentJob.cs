using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Passages;
using HelixFlow.Agents.JobTypes.Summaries;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Content;

/// <summary>
/// <c>generate-content</c>: plans a text, writes its sections, at the same time or one after the other, and puts them together. The outline and each section
/// are steps.
/// </summary>
public sealed class GenerateContentJob : IJobType
{
    // A model's questions at the same time: enough to fill a batch, few enough to leave room to others.
    private const int MostAtOnce = 4;

    private const int PassageLength = 600;
    private const int MostPassages = 12;
    private const int Margin = 8; // templates may count a joint of two texts otherwise than the texts alone
    private const int LeastTokens = 48; // with fewer there is no section

    private readonly IModelClient _models;
    private readonly StepExecutor<string, ModelLimits> _find;
    private readonly StepExecutor<ContentQuestion, ContentAnswer> _write;

    /// <summary>Makes the type.</summary>
    public GenerateContentJob(IModelClient models)
    {
        _models = models;
        _find = ModelSteps.Find(models);
        _write = new("content-write", 1, EffectClass.Recorded, ContentJson.Default.ContentQuestion, ContentJson.Default.ContentAnswer, WriteAsync)
        {
            Usage = static (question, answer) => ModelSteps.UsageOf(question.Model.Name, answer.Answer),
        };
    }

    /// <inheritdoc />
    public string Name => "generate-content";

    /// <inheritdoc />
    public string Description => "Writes a text section by section from a topic, with or without an outline and source material, as Markdown, HTML or plain text.";

    /// <inheritdoc />
    public JsonElement InputSchema => ContentSchemas.Input;

    /// <inheritdoc />
    public JsonElement OutputSchema => ContentSchemas.Output;

    /// <inheritdoc />
    public async Task<JsonElement> RunAsync(Run run, CancellationToken cancellationToken)
    {
        ContentInput input = run.Input.Deserialize(ContentJson.Default.ContentInput)!;
        var template = ContentTemplate.Of(input.Template);
        ModelLimits model = await run.StepAsync("model", _find, input.Model ?? "", cancellationToken).ConfigureAwait(false);
        var session = new Session(run, input, template, model, PassageIndex.Of(input.Sources, PassageLength));
        Outline outline = await OutlineAsync(session, cancellationToken).ConfigureAwait(false);
        await run.ReportAsync(10, $"Writing {outline.Sections.Count} sections", cancellationToken).ConfigureAwait(false);
        var drafts = new ContentAnswer[outline.Sections.Count];
        if (input.Mode == "sequential")
        {
            await WriteInOrderAsync(session, outline, drafts, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await Parallel.ForEachAsync(
                Enumerable.Range(0, drafts.Length), new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = cancellationToken },
                async (i, token) => drafts[i] = await SectionAsync(session, outline, i, null, token).ConfigureAwait(false)).ConfigureAwait(false);
        }

        return JsonSerializer.SerializeToElement(Assemble(session, outline, drafts), ContentJson.Default.ContentOutput);
    }

    private async Task<Outline> OutlineAsync(Session session, CancellationToken cancellationToken)
    {
        ContentInput input = session.Input;
        if (input.Outline is { Count: > 0 } given)
        {
            return new Outline(input.Title ?? input.Topic, given);
        }

        int sections = input.Sections ?? session.Template.Sections;
        var question = new ContentQuestion(
            session.Model, ContentPrompts.OutlineOf(input, session.Template, sections), session.Index.Find($"{input.Topic} {string.Join(' ', input.Keywords)}", MostPassages),
            ContentPrompts.OutlineTokens(sections, session.Model.ContextLength), ContentPrompts.OutlineSchema(sections, session.Model.ContextLength));
        ContentAnswer answer = await session.AskAsync("outline", _write, question, cancellationToken).ConfigureAwait(false);
        if (answer.Answer.IsCut)
        {
            throw new JobFailedException(
                "outline_cut", $"The model '{session.Model.Name}' did not finish the outline within {question.MaxTokens} tokens. Ask for fewer sections, give an outline, or name another model.");
        }

        Outline outline = JsonSerializer.Deserialize(answer.Answer.Text, ContentJson.Default.Outline)!;
        return input.Title is null ? outline : outline with { Title = input.Title };
    }

    private async Task WriteInOrderAsync(Session session, Outline outline, ContentAnswer[] drafts, CancellationToken cancellationToken)
    {
        string? before = null;
        for (int i = 0; i < drafts.Length; i++)
        {
            drafts[i] = await SectionAsync(session, outline, i, before, cancellationToken).ConfigureAwait(false);
            if (i + 1 < drafts.Length)
            {
                string title = outline.Sections[i].Title;
                string text = ContentDocument.Clean(drafts[i].Answer.Text, title, drafts[i].Answer.IsCut);
                var question = new ContentQuestion(session.Model, ContentPrompts.Recap(before, title, text), [], Math.Min(200, session.Model.ContextLength / 8), null);
                before = (await session.AskAsync($"recap/{i + 1}", _write, question, cancellationToken).ConfigureAwait(false)).Answer.Text.Trim();
            }
        }
    }

    private async Task<ContentAnswer> SectionAsync(Session session, Outline outline, int index, string? before, CancellationToken cancellationToken)
    {
        OutlineSection section = outline.Sections[index];
        int words = section.Words ?? session.Input.WordsPerSection ?? session.Template.Words;
        var question = new ContentQuestion(
            session.Model, ContentPrompts.SectionOf(session.Input, session.Template, outline, index, words, before),
            session.Index.Find($"{section.Title} {section.Brief} {session.Input.Topic}", MostPassages),
            Math.Min(40 + (words * 3), session.Model.ContextLength / 3), null);
        ContentAnswer answer = await session.AskAsync($"section/{index + 1}", _write, question, cancellationToken).ConfigureAwait(false);
        if (session.CountSection(outline.Sections.Count) is { } progress)
        {
            await session.Run.ReportAsync(progress.Percent, progress.Message, cancellationToken).ConfigureAwait(false);
        }

        return answer;
    }

    /// <summary>Shows the model as many passages as there is room for, and lets it write.</summary>
    private async Task<ContentAnswer> WriteAsync(ContentQuestion question, StepContext context, CancellationToken cancellationToken)
    {
        int shown = question.Passages.Count;
        while (true)
        {
            ModelMessage[] messages = ContentPrompts.With(question.Ask, question.Passages.Take(shown), isCited: question.Schema is null);
            int tokens = await _models.CountAsync(question.Model.Name, messages, cancellationToken).ConfigureAwait(false);
            int room = question.Model.ContextLength - Margin - tokens;
            if (shown > 0 && room < question.MaxTokens)
            {
                shown--;
                continue;
            }

            if (room < LeastTokens)
            {
                throw new JobFailedException(
                    "context_too_small", $"The model '{question.Model.Name}' has {question.Model.ContextLength} tokens of context, and {tokens} of them are the question alone.");
            }

            var call = new ModelCall(question.Model.Name, messages, Math.Min(room, question.MaxTokens)) { Schema = question.Schema };
            ModelAnswer answer = await _models.AnswerAsync(call, context, cancellationToken).ConfigureAwait(false);
            return new ContentAnswer(answer, [.. question.Passages.Take(shown).Select(static passage => passage.Number)]);
        }
    }

    private static ContentOutput Assemble(Session session, Outline outline, ContentAnswer[] drafts)
    {
        var sections = new List<ContentSection>(drafts.Length);
        var cited = new List<int>();
        for (int i = 0; i < drafts.Length; i++)
        {
            string title = outline.Sections[i].Title;
            string text = ContentDocument.Clean(drafts[i].Answer.Text, title, drafts[i].Answer.IsCut);
            if (session.Index.Passages.Count > 0)
            {
                text = SummaryPrompts.Resolve(text, drafts[i].Shown.ToHashSet(), out List<int> used); // only what the model has seen can be cited
                cited.AddRange(used.Where(number => !cited.Contains(number)));
            }

            if (text.Length == 0)
            {
                throw new JobFailedException("empty_answer", $"The model '{session.Model.Name}' wrote nothing for the section '{title}'.");
            }

            sections.Add(new ContentSection(title, text, ContentDocument.CountWords(text), drafts[i].Answer.IsCut));
        }

        string content = ContentDocument.Assemble(outline.Title, sections, session.Input.Format, session.Template.HasHeadings);
        return new ContentOutput(
            outline.Title, content, outline, sections, sections.Sum(static section => section.Words),
            [.. cited.Select(number => session.Index.Passages[number - 1]).Select(static passage =>
                new ContentCitation(passage.Number, passage.Source, passage.Start, passage.End, passage.Text))],
            ContentDocument.Missing(session.Input.Keywords, content), session.Model.Name, session.Usage);
    }

    /// <summary>What is the same for all questions of a run, and what is counted while it goes on.</summary>
    private sealed class Session(Run run, ContentInput input, ContentTemplate template, ModelLimits model, PassageIndex index)
    {
        private readonly Lock _lock = new();
        private int _written;
        private int _told;

        public Run Run => run;

        public ContentInput Input => input;

        public ContentTemplate Template => template;

        public ModelLimits Model => model;

        public PassageIndex Index => index;

        public ContentUsage Usage { get; private set; } = new(0, 0, 0);

        public async Task<ContentAnswer> AskAsync(string address, StepExecutor<ContentQuestion, ContentAnswer> write, ContentQuestion question, CancellationToken cancellationToken)
        {
            ContentAnswer answer = await run.StepAsync(address, write, question, cancellationToken).ConfigureAwait(false);
            lock (_lock)
            {
                Usage = new ContentUsage(Usage.Calls + 1, Usage.PromptTokens + answer.Answer.PromptTokens, Usage.CompletionTokens + answer.Answer.CompletionTokens);
            }

            return answer;
        }

        /// <summary>What there is to tell after one more section; null when it is no more than was told before.</summary>
        public (int Percent, string Message)? CountSection(int sections)
        {
            lock (_lock)
            {
                _written++;
                int percent = 10 + (89 * _written / sections);
                if (percent <= _told)
                {
                    return null;
                }

                _told = percent;
                return (percent, $"{_written} of {sections} sections written");
            }
        }
    }
}
