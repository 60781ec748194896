using System.Text.Json;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Tests.Jobs;

public sealed class JobReportTests
{
    private static readonly JsonElement _job = JsonElement.Parse("""
        {
          "id": "job_1", "type": "agent", "state": "dead", "progress": {"percent": 45, "message": "turn 2"}, "priority": "high", "attempt": 3, "epoch": 2, "worker": null,
          "usage": {"model_calls": 1, "prompt_tokens": 1200, "completion_tokens": 30}, "labels": {"order": "7\u001b[31m"}, "options": {"max_attempts": 3}, "children": 1,
          "error": {"code": "timeout", "message": "It took too long.", "details": null}, "artifacts": [{"name": "page-1.txt"}, {"name": "page-2.txt"}], "parent": null,
          "created_at": "2030-01-31T12:00:00.000Z", "started_at": "2030-01-31T12:00:00.250Z", "ended_at": "2030-01-31T12:05:20.250Z"
        }
        """);

    private static readonly JsonElement _steps = JsonElement.Parse("""
        {"data": [
          {"address": "turn/1", "state": "succeeded", "effect": "recorded", "source": "executed", "usage": {"model": "tiny", "prompt_tokens": 1200, "completion_tokens": 30},
           "started_at": "2030-01-31T12:00:00.250Z", "ended_at": "2030-01-31T12:00:01.750Z"},
          {"address": "turn/1/call/1", "state": "started", "effect": "unsafe", "source": "executed", "usage": null, "started_at": "2030-01-31T12:00:01.750Z", "ended_at": null}]}
        """);

    private static readonly JsonElement _children = JsonElement.Parse("""{"data": [{"id": "job_2", "type": "summarise", "state": "succeeded", "progress": {"percent": 100, "message": "done"}, "error": null}]}""");

    [Fact]
    public void A_job_is_told_in_lines_that_people_can_read()
    {
        using var output = new StringWriter();
        JobReport.Write(output, _job, _steps, _children, "See there.");

        Assert.Equal(
            """
            job_1  agent  dead  45 %
            asked     2030-01-31 12:00:00Z, ended after 5 min 20 s
            attempt   3 of 3, tried anew 1 time
            priority  high
            labels    order=7�[31m
            models    1 question, 1,200 tokens read, 30 written
            message   turn 2
            error     timeout: It took too long.
            files     page-1.txt, page-2.txt
            note      See there.

            STEP       TOOK   EFFECT    OUTPUT     TOKENS
            turn/1     1.5 s  recorded  executed   1,200 + 30  tiny
            └─ call/1         unsafe    not known

            CHILD  TYPE       STATE      PROGRESS  MESSAGE
            job_2  summarise  succeeded  100 %     done

            """.ReplaceLineEndings("\n"), output.ToString().ReplaceLineEndings("\n"));
    }

    [Theory]
    [InlineData("""{"until":"2030-01-31T12:00:00.000Z","jobs":[],"approvals":[],"signal":null}""", "2030-01-31 12:00:00Z")]
    [InlineData("""{"until":null,"jobs":["job_2","job_3"],"approvals":[],"signal":null}""", "job_2, job_3")]
    [InlineData("""{"until":null,"jobs":[],"approvals":["turn/1/approval"],"signal":null}""", "an answer at turn/1/approval: helixflow jobs approve job_1")]
    [InlineData("""{"until":null,"jobs":[],"approvals":[],"signal":"go"}""", "the signal go")]
    [InlineData("""{"until":null,"jobs":["job_2"],"approvals":[],"signal":"*"}""", "job_2, one of several signals")]
    public void What_a_job_waits_for_is_told(string waits, string told)
    {
        using var output = new StringWriter();
        JobReport.Write(output, JsonElement.Parse($$"""{"id":"job_1","state":"waiting","waits_for":{{waits}}}"""), default, default, null);

        Assert.Contains($"waits for  {told}\n", output.ToString().ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }
}
