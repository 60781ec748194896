using System.Text.Json;

namespace HelixFlow.Agents.Journal;

/// <summary>What a run has asked people.</summary>
/// <param name="Address">Its place in the run.</param>
/// <param name="AskedAt">Milliseconds since 1970.</param>
/// <param name="Question">What is to be decided.</param>
/// <param name="Answer">What was answered; null for nothing yet.</param>
public sealed record QuestionRecord(string Address, long AskedAt, JsonElement Question, JsonElement? Answer);

/// <summary>What became of an answer.</summary>
public enum AnswerOutcome
{
    /// <summary>The run has it.</summary>
    Taken,

    /// <summary>The project has no such run.</summary>
    UnknownRun,

    /// <summary>The run has not asked that.</summary>
    NotAsked,

    /// <summary>Somebody has answered before.</summary>
    Answered,

    /// <summary>The run has ended.</summary>
    HasEnded,
}

public sealed partial class Journal
{
    /// <summary>Asks people something, once. False when the lease is lost.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="address">The question's place in the run.</param>
    /// <param name="signal">The name of the signal that answers it, of this question alone.</param>
    /// <param name="question">What is to be decided.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    public Task<bool> AskAsync(Lease lease, string address, string signal, JsonElement question, CancellationToken cancellationToken) => ChangeAsync(
        lease,
        (change, run) =>
        {
            if (change.Session.Number("select count(*) from questions where run = $1 and name = $2", run.Number, signal) == 0)
            {
                long seq = change.Append(run, new JournalEvent.Asked(address, signal, question));
                change.Session.Post(
                    "insert into questions (run, name, seq, address, body, answer) values ($1, $2, $3, $4, $5, 0)", run.Number, signal, seq, address, question.GetRawText());
                change.Save(run);
            }
        },
        cancellationToken);

    /// <summary>What a run has asked, in order.</summary>
    public Task<List<QuestionRecord>> QuestionsAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is { } run
            ? session.Query(
                """
                select address, at, questions.body, signals.body from questions
                join events on events.run = questions.run and events.seq = questions.seq
                left join signals on signals.run = questions.run and signals.name = questions.name and signals.seq = questions.answer
                where questions.run = $1 order by questions.seq
                """,
                static row => new QuestionRecord(row.GetString(0), row.GetInt64(1), JsonElement.Parse(row.GetString(2)), RunRows.Text(row, 3) is { } answer ? JsonElement.Parse(answer) : null),
                run.Number)
            : [],
        cancellationToken);

    /// <summary>Answers what a run has asked at an address; the first answer counts.</summary>
    public Task<AnswerOutcome> AnswerAsync(string project, string id, string address, JsonElement answer, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Lock(project, id) is not { } run)
            {
                return AnswerOutcome.UnknownRun;
            }

            // Asked anew at the same address, after the run's input was changed, it is another question: the last one counts.
            (string? name, long given) = change.Session.First(
                "select name, answer from questions where run = $1 and address = $2 order by seq desc limit 1", static row => (row.GetString(0), row.GetInt64(1)), run.Number, address);
            if (name is null || given != 0 || run.HasEnded)
            {
                return name is null ? AnswerOutcome.NotAsked : given != 0 ? AnswerOutcome.Answered : AnswerOutcome.HasEnded;
            }

            long seq = Give(change, run, name, answer);
            change.Session.Post("update questions set answer = $3 where run = $1 and name = $2", run.Number, name, seq);
            return AnswerOutcome.Taken;
        },
        cancellationToken);
}
