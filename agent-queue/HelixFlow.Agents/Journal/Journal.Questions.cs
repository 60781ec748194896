using System.Globalization;
using System.Text.Json;

namespace HelixFlow.Agents.Journal;

/// <summary>What a run has asked people.</summary>
/// <param name="Address">Its place in the run.</param>
/// <param name="AskedAt">Milliseconds since 1970.</param>
/// <param name="Question">What is to be decided.</param>
/// <param name="Answer">What was answered; null for nothing yet.</param>
public sealed record QuestionRecord(string Address, long AskedAt, JsonElement Question, JsonElement? Answer)
{
    /// <summary>Until when somebody may answer; milliseconds since 1970, 0 for without end.</summary>
    public long ExpiresAt { get; init; }

    /// <summary>Whether nobody has answered in time.</summary>
    public bool HasExpired { get; init; }
}

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

    /// <summary>It comes too late.</summary>
    Expired,

    /// <summary>The run has ended.</summary>
    HasEnded,
}

public sealed partial class Journal
{
    /// <summary>Asks people something, once.</summary>
    /// <param name="lease">The attempt's lease.</param>
    /// <param name="address">The question's place in the run.</param>
    /// <param name="signal">The name of the signal that answers it, of this question alone.</param>
    /// <param name="question">What is to be decided.</param>
    /// <param name="expiry">How long people are waited for; null for without end.</param>
    /// <param name="cancellationToken">Ends the wait for the database.</param>
    /// <returns>The name of the signal to wait for: another one when the run has failed because nobody answered, and was requeued; null when the lease is lost.</returns>
    public Task<string?> AskAsync(Lease lease, string address, string signal, JsonElement question, QuestionExpiry? expiry, CancellationToken cancellationToken) => WriteAsync(
        change => change.Held(lease) is { } run ? Ask(change, run, address, signal, question, expiry) : null, cancellationToken);

    private static string Ask(Change change, RunRecord run, string address, string signal, JsonElement question, QuestionExpiry? expiry)
    {
        string name = signal;
        Asking? asked = AskedAs(change, run, name);
        if (expiry is { Fails: true } && asked is { Expired: > 0 } before && before.Expired < run.Epoch)
        {
            name = $"{signal}:{run.Epoch}";
            asked = AskedAs(change, run, name);
        }

        long expiresAt = expiry is null ? 0 : change.Now + Math.Max(1, (long)expiry.After.TotalMilliseconds);
        if (asked is { IsOpen: true, ExpiresAt: 0 } && expiry is not null)
        {
            // Its time came while the run had ended; it was requeued since.
            change.Session.Post("update questions set expires_at = $3 where run = $1 and name = $2", run.Number, name, expiresAt);
        }
        else if (asked is null)
        {
            long seq = change.Append(run, new JournalEvent.Asked(address, name, question, expiry is null ? null : expiresAt));
            change.Session.Post(
                "insert into questions (run, name, seq, address, body, answer, expires_at, expired) values ($1, $2, $3, $4, $5, 0, $6, 0)",
                run.Number, name, seq, address, question.GetRawText(), expiresAt);
            change.Save(run);
        }

        return name;
    }

    private static Asking? AskedAs(Change change, RunRecord run, string name) => change.Session.First(
        "select answer, expires_at, expired from questions where run = $1 and name = $2",
        static row => new Asking(row.GetInt64(0) == 0, row.GetInt64(1), row.GetInt64(2)), run.Number, name);

    /// <summary>What a run has asked, in order.</summary>
    public Task<List<QuestionRecord>> QuestionsAsync(string project, string id, CancellationToken cancellationToken) => database.ReadAsync(
        session => RunRows.Find(session, project, id) is { } run
            ? session.Query(
                """
                select address, at, questions.body, signals.body, expires_at, expired from questions
                join events on events.run = questions.run and events.seq = questions.seq
                left join signals on signals.run = questions.run and signals.name = questions.name and signals.seq = questions.answer
                where questions.run = $1 order by questions.seq
                """,
                static row => new QuestionRecord(row.GetString(0), row.GetInt64(1), JsonElement.Parse(row.GetString(2)), RunRows.Text(row, 3) is { } answer ? JsonElement.Parse(answer) : null)
                {
                    ExpiresAt = row.GetInt64(4), HasExpired = row.GetInt64(5) > 0,
                },
                run.Number)
            : [],
        cancellationToken);

    /// <summary>Answers what a run has asked at an address; the first answer counts, if it comes in time.</summary>
    public Task<AnswerOutcome> AnswerAsync(string project, string id, string address, JsonElement answer, CancellationToken cancellationToken) => WriteAsync(
        change =>
        {
            if (change.Lock(project, id) is not { } run)
            {
                return AnswerOutcome.UnknownRun;
            }

            // Asked anew at the same address, after the run's input was changed, it is another question: the last one counts.
            (string? name, long given, long expired) = change.Session.First(
                "select name, answer, expired from questions where run = $1 and address = $2 order by seq desc limit 1",
                static row => (row.GetString(0), row.GetInt64(1), row.GetInt64(2)), run.Number, address);
            if (name is null || given != 0 || run.HasEnded)
            {
                return name is null ? AnswerOutcome.NotAsked : expired != 0 ? AnswerOutcome.Expired : given != 0 ? AnswerOutcome.Answered : AnswerOutcome.HasEnded;
            }

            if (Expire(change, run, name))
            {
                return AnswerOutcome.Expired;
            }

            long seq = Give(change, run, name, answer);
            change.Session.Post("update questions set answer = $3 where run = $1 and name = $2", run.Number, name, seq);
            return AnswerOutcome.Taken;
        },
        cancellationToken);

    /// <summary>Answers the questions whose time has come; how many there were.</summary>
    private static int Expire(Change change, int most)
    {
        List<(long Run, string Name)> due = change.Session.Query(
            $"""
            select questions.run, questions.name from questions join runs on number = run
            where answer = 0 and expires_at > 0 and expires_at <= $1 order by expires_at limit $2{(change.IsPostgres ? " for update of runs skip locked" : "")}
            """,
            static row => (row.GetInt64(0), row.GetString(1)), change.Now, most);
        foreach ((long number, string name) in due)
        {
            RunRecord run = change.Lock(number)!;
            if (run.HasEnded)
            {
                change.Session.Post("update questions set expires_at = 0 where run = $1 and name = $2 and answer = 0", number, name); // nobody waits for it
            }
            else
            {
                Expire(change, run, name);
            }
        }

        return due.Count;
    }

    /// <summary>Answers a question of a locked run by a rejection, if its time has come and nobody has answered it.</summary>
    private static bool Expire(Change change, RunRecord run, string name)
    {
        (string? address, long waitedMs) = change.Session.First(
            """
            select address, expires_at - at from questions join events on events.run = questions.run and events.seq = questions.seq
            where questions.run = $1 and questions.name = $2 and answer = 0 and expires_at > 0 and expires_at <= $3
            """,
            static row => (row.GetString(0), row.GetInt64(1)), run.Number, name, change.Now);
        if (address is null)
        {
            return false;
        }

        var rejection = new ExpiredAnswer("reject", string.Create(CultureInfo.InvariantCulture, $"Nobody has answered within {waitedMs / 1000.0:0.###} s."), "expiry", true);
        change.Append(run, new JournalEvent.QuestionExpired(address, name));
        long seq = Give(change, run, name, JsonSerializer.SerializeToElement(rejection, QuestionJson.Default.ExpiredAnswer));
        change.Session.Post("update questions set answer = $3, expired = $4 where run = $1 and name = $2", run.Number, name, seq, (long)run.Epoch);
        return true;
    }

    /// <summary>A question as it stands.</summary>
    private sealed record Asking(bool IsOpen, long ExpiresAt, long Expired);
}

/// <summary>What a question is answered by when nobody else has.</summary>
internal sealed record ExpiredAnswer(string Decision, string Reason, string By, bool Expired);

[System.Text.Json.Serialization.JsonSourceGenerationOptions(PropertyNamingPolicy = System.Text.Json.Serialization.JsonKnownNamingPolicy.SnakeCaseLower)]
[System.Text.Json.Serialization.JsonSerializable(typeof(ExpiredAnswer))]
internal sealed partial class QuestionJson : System.Text.Json.Serialization.JsonSerializerContext;
