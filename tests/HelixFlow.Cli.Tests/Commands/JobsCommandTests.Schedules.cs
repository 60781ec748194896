using System.Text.Json;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Cli.Tests.Commands;

public sealed partial class JobsCommandTests
{
    [Fact]
    public async Task A_schedule_is_made_listed_paused_run_and_removed()
    {
        (int code, string output, _) = await InvokeAsync("schedules", "add", "nightly", "echo", "--cron", "0 3 * * *", "--time-zone", "Europe/Berlin", "--input", """{"n":1}""", "--overlap", "skip", "--misfire", "skip");
        Assert.Equal(0, code);
        Assert.StartsWith("nightly fires at ", output, StringComparison.Ordinal);
        Assert.Contains("0 3 * * * Europe/Berlin", (await InvokeAsync("schedules", "list")).Output, StringComparison.Ordinal);
        JsonElement schedule = JsonElement.Parse((await InvokeAsync("schedules", "show", "nightly", "--json")).Output);
        Assert.Equal(("skip", "skip"), (schedule.GetProperty("overlap").GetString(), schedule.GetProperty("misfire").GetProperty("policy").GetString()));
        Assert.Equal("paused", (await InvokeAsync("schedules", "pause", "nightly")).Output.Trim());
        Assert.Equal("active", (await InvokeAsync("schedules", "resume", "nightly")).Output.Trim());
        string job = (await InvokeAsync("schedules", "run", "nightly")).Output.Trim();
        Assert.Equal(job, Assert.Single(await _journal.ClaimAsync("w", ["echo"], 1, Token)).Run.Id);

        (code, _, string error) = await InvokeAsync("schedules", "add", "nightly", "echo", "--every", "60");
        Assert.Equal(1, code);
        Assert.Contains("name", error, StringComparison.Ordinal);
        Assert.Equal(0, (await InvokeAsync("schedules", "add", "nightly", "echo", "--every", "1", "--replace")).Code);
        Assert.Contains("every 1 s", (await InvokeAsync("schedules", "list")).Output, StringComparison.Ordinal);
        using var guard = CancellationTokenSource.CreateLinkedTokenSource(Token);
        guard.CancelAfter(TimeSpan.FromMinutes(2));
        while (!(await InvokeAsync("schedules", "fires", "nightly")).Output.Contains("started", StringComparison.Ordinal))
        {
            await _journal.TickAsync(10, guard.Token);
            await Task.Delay(20, guard.Token);
        }

        Assert.Equal(0, (await InvokeAsync("schedules", "remove", "nightly")).Code);
        Assert.Equal(1, (await InvokeAsync("schedules", "show", "nightly")).Code);
    }

    [Fact]
    public async Task The_next_times_are_shown_before_a_schedule_is_made()
    {
        (int code, string output, _) = await InvokeAsync("schedules", "preview", "--cron", "0 3 * * *", "--time-zone", "Asia/Kolkata", "--count", "3");
        Assert.Equal(0, code);
        Assert.Equal(4, output.Trim().Split('\n').Length);
        Assert.Contains("T03:00:00+05:30", output, StringComparison.Ordinal);
        Assert.Equal(1, (await InvokeAsync("schedules", "preview", "--cron", "0 3 * *")).Code);
        Assert.NotEqual(0, (await InvokeAsync("schedules", "preview")).Code);
        Assert.NotEqual(0, (await InvokeAsync("schedules", "add", "a", "echo", "--cron", "0 3 * * *", "--every", "5")).Code);
    }
}
