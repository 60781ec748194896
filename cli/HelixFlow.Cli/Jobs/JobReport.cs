using System.Globalization;
using System.Text.Json;
using HelixFlow.Cli.Commands;

namespace HelixFlow.Cli.Jobs;

/// <summary>A job as people look at it: what it is, what it waits for or died of, its steps as a tree, and the jobs that it has asked for.</summary>
internal static class JobReport
{
    private const int LongestMessage = 2000;

    public static void Write(TextWriter output, JsonElement job, JsonElement steps, JsonElement children, string? hint)
    {
        output.WriteLine($"{job.Text("id")}  {job.Text("type")}  {job.Text("state")}  {job.Percent()}");
        Terminal.WriteTable(output, [.. Facts(job, hint).Where(static fact => fact.Text.Length > 0).Select(static fact => (string[])[fact.Name, fact.Text])]);
        WriteSteps(output, [.. steps.Items("data")]);
        WriteChildren(output, [.. children.Items("data")]);
    }

    private static IEnumerable<(string Name, string Text)> Facts(JsonElement job, string? hint)
    {
        yield return ("asked", job.Clock("created_at") + Since(job));
        yield return ("attempt", Attempt(job));
        yield return ("priority", job.Text("priority"));
        yield return ("labels", Labels(job));
        yield return ("models", Usage(job));
        yield return ("parent", job.Text("parent"));
        yield return ("fork of", job.Text("forked_from"));
        yield return ("waits for", job.Given("waits_for") is { } wait ? Wait(job, wait) : "");
        yield return ("message", job.Given("progress") is { } progress ? progress.Text("message", LongestMessage) : "");
        yield return ("error", job.Given("error") is { } error ? $"{error.Text("code")}: {error.Text("message", LongestMessage)}" : "");
        yield return ("files", string.Join(", ", job.Items("artifacts").Select(static file => file.Text("name"))));
        yield return ("note", hint ?? "");
    }

    private static string Since(JsonElement job) => (job.Time("created_at"), job.Time("started_at"), job.Time("ended_at")) switch
    {
        ({ } asked, _, { } ended) => $", ended after {Terminal.Duration(ended - asked)}",
        ({ } asked, { } begun, _) => $", last begun after {Terminal.Duration(begun - asked)}",
        _ => "",
    };

    private static string Attempt(JsonElement job)
    {
        long most = job.Given("options") is { } options ? options.Number("max_attempts") : 0;
        string epoch = job.Number("epoch") is > 1 and var again ? $", tried anew {Terminal.Several(again - 1, "time")}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{job.Number("attempt")} of {most}{(job.Text("worker") is { Length: > 0 } worker ? " on " + worker : "")}{epoch}");
    }

    private static string Labels(JsonElement job) => job.Given("labels") is not { } labels ? ""
        : string.Join(", ", labels.EnumerateObject().Select(static label => Terminal.Printable($"{label.Name}={label.Value}")));

    private static string Usage(JsonElement job) => job.Given("usage") is { } usage && usage.Number("model_calls") is > 0 and var calls
        ? string.Create(CultureInfo.InvariantCulture, $"{Terminal.Several(calls, "question")}, {usage.Number("prompt_tokens"):N0} tokens read, {usage.Number("completion_tokens"):N0} written")
        : "";

    private static string Wait(JsonElement job, JsonElement wait)
    {
        string[] approvals = [.. wait.Items("approvals").Select(static address => Terminal.Printable(address.GetString()!))];
        IEnumerable<string> reasons =
        [
            .. wait.Items("jobs").Select(static id => Terminal.Printable(id.GetString()!)),
            .. approvals.Length == 0 ? [] : (string[])[$"an answer at {string.Join(", ", approvals)}: helixflow jobs approve {job.Text("id")}"],
            .. wait.Text("signal") is { Length: > 0 } signal ? (string[])[signal == "*" ? "one of several signals" : $"the signal {signal}"] : [],
            .. wait.Clock("until") is { Length: > 0 } until ? (string[])[until] : [],
        ];
        return string.Join(", ", reasons);
    }

    private static void WriteSteps(TextWriter output, List<JsonElement> steps)
    {
        if (steps.Count == 0)
        {
            return;
        }

        var tree = new StepTree();
        foreach (JsonElement step in steps)
        {
            tree.Add(step.Text("address", longest: 1000), step);
        }

        List<string[]> rows = [["STEP", "TOOK", "EFFECT", "OUTPUT", "TOKENS"]];
        rows.AddRange(tree.Lines().Select(static line => line.Step is { } step ? (string[])[line.Text, step.Took(), step.Text("effect"), Source(step), Tokens(step)] : [line.Text]));
        output.WriteLine();
        Terminal.WriteTable(output, rows);
    }

    private static string Source(JsonElement step) => (step.Text("state"), step.Text("source")) switch
    {
        ("started", _) => "not known",
        (_, "cache") => "reused: equal step",
        (_, "fork") => "reused: fork",
        (_, var source) => source,
    };

    private static string Tokens(JsonElement step) => step.Given("usage") is { } usage
        ? string.Create(CultureInfo.InvariantCulture, $"{usage.Number("prompt_tokens"):N0} + {usage.Number("completion_tokens"):N0}  {usage.Text("model")}")
        : "";

    private static void WriteChildren(TextWriter output, List<JsonElement> children)
    {
        if (children.Count > 0)
        {
            output.WriteLine();
            Terminal.WriteTable(output, [["CHILD", "TYPE", "STATE", "PROGRESS", "MESSAGE"], .. children.Select(static child =>
                (string[])[child.Text("id"), child.Text("type"), child.Text("state"), child.Percent(), child.Message(120)])]);
        }
    }
}
