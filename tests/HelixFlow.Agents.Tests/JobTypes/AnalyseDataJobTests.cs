using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using HelixFlow.Agents.Catalog;
using HelixFlow.Agents.Dispatch;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Tables;
using HelixFlow.Agents.Runs;
using HelixFlow.Agents.Tests.Http;

namespace HelixFlow.Agents.Tests.JobTypes;

public sealed class AnalyseDataJobTests
{
    // Anscombe's first data set (The American Statistician 27, 1973), whose statistics are published: means 9 and 7.50, variances 11 and 4.127, correlation 0.816.
    private const string Anscombe = "x,y\n10,8.04\n8,6.95\n13,7.58\n9,8.81\n11,8.33\n14,9.96\n6,7.24\n4,4.26\n12,10.84\n7,4.82\n5,5.68\n";

    [Fact]
    public async Task Statistics_are_those_that_were_published()
    {
        JsonElement output = await RunAsync(new JsonObject { ["data"] = Anscombe });

        Assert.Equal(11, output.GetProperty("rows").GetInt32());
        JsonElement x = output.GetProperty("columns")[0], y = output.GetProperty("columns")[1];
        Assert.Equal(("integer", "number"), (x.Text("type"), y.Text("type")));
        Assert.Equal(9, Number(x, "mean"), 1e-12);
        Assert.Equal(Math.Sqrt(11), Number(x, "deviation"), 1e-12);
        Assert.Equal((4, 6.5, 9, 11.5, 14, 99), (Number(x, "min"), Number(x, "q1"), Number(x, "median"), Number(x, "q3"), Number(x, "max"), Number(x, "sum")));
        Assert.Equal(7.5009, Number(y, "mean"), 1e-4);
        Assert.Equal(4.1273, Math.Pow(Number(y, "deviation"), 2), 1e-4);
        Assert.Equal(0.8164, output.GetProperty("correlations")[0].GetProperty("coefficient").GetDouble(), 1e-4);
        Assert.Equal(0, x.GetProperty("numbers").GetProperty("outliers").GetProperty("count").GetInt32());
        Assert.Equal(11, x.GetProperty("numbers").GetProperty("histogram").EnumerateArray().Sum(static bin => bin.GetProperty("count").GetInt32()));
    }

    [Fact]
    public async Task Types_missing_values_and_outliers_are_found()
    {
        const string Data = "id;when;name;paid;zip;value\n1;2024-01-31;Ann;true;01234;1\n2;2023-05-01;Bob;false;01235;2\n3;2024-02-01;Ann;true;01234;\n4;;Ann;true;99999;3\n5;2024-02-02;;false;01234;100\n6;2024-02-03;Cy;true;01234;2\n";
        JsonElement output = await RunAsync(new JsonObject { ["data"] = Data });

        List<JsonElement> columns = [.. output.GetProperty("columns").EnumerateArray()];
        Assert.Equal(["integer", "date", "text", "boolean", "text", "integer"], columns.Select(static column => column.Text("type")));
        Assert.Equal(("2023-05-01", "2024-02-03", 1), (columns[1].Text("earliest"), columns[1].Text("latest"), columns[1].GetProperty("missing").GetInt32()));
        Assert.Equal(("Ann", 3), (columns[2].GetProperty("frequent")[0].Text("value"), columns[2].GetProperty("frequent")[0].GetProperty("count").GetInt32()));
        JsonElement outlier = Assert.Single(columns[5].GetProperty("numbers").GetProperty("outliers").GetProperty("values").EnumerateArray());
        Assert.Equal((5, 100), (outlier.GetProperty("row").GetInt32(), outlier.GetProperty("value").GetDouble()));
    }

    [Theory]
    [InlineData("json", """[{"a":1,"b":"x"},{"b":"y","a":2.5,"c":null}]""")]
    [InlineData("jsonl", "{\"a\":1,\"b\":\"x\"}\n\n{\"b\":\"y\",\"a\":2.5,\"c\":null}\n")]
    [InlineData("csv", "a\tb\tc\r\n1\tx\t\r\n2.5\ty\t\r\n")]
    public async Task The_same_table_is_read_from_all_formats(string format, string data)
    {
        JsonElement output = await RunAsync(new JsonObject { ["data"] = data, ["format"] = format, ["narrative"] = false });

        Assert.Equal(["a number 2", "b text 2", "c empty 0"], output.GetProperty("columns").EnumerateArray().Select(static column =>
            $"{column.Text("name")} {column.Text("type")} {column.GetProperty("count").GetInt32()}"));
        Assert.False(output.TryGetProperty("narrative", out _));
    }

    [Fact]
    public async Task Charts_are_well_formed_whatever_the_names_say()
    {
        const string Data = "\"<script>alert(1)</script> & \"\"x\"\"\u0001\",y,kind\n1,2,a\n2,4,a\n3,6,b\n4,9,\"]]>\"\n";
        await using var host = new AgentHost();
        RunRecord run = await EndAsync(host, new ScriptedModel(2000, static _ => "It is data."), new JsonObject { ["data"] = Data }.ToJsonString());
        JsonElement output = JsonElement.Parse(await host.OutputAsync(run.Id));
        List<Artifact> files = await host.Journal.ArtifactsAsync("p", run.Id, AgentHost.Token);

        List<JsonElement> charts = [.. output.GetProperty("charts").EnumerateArray()];
        Assert.Equal(files.Select(static file => file.Name), charts.Select(static chart => chart.Text("artifact")));
        Assert.Equal(["histogram", "histogram", "bar", "scatter"], charts.Select(static chart => chart.Text("kind")));
        foreach (JsonElement chart in charts)
        {
            Artifact file = files.Find(file => file.Name == chart.Text("artifact"))!;
            Assert.Equal("image/svg+xml", file.ContentType);
            XElement svg = XElement.Parse(Encoding.UTF8.GetString(await host.Journal.ReadAsync(file.Hash, AgentHost.Token)));
            Assert.Equal("{http://www.w3.org/2000/svg}svg", svg.Name.ToString());
            Assert.DoesNotContain(svg.Descendants(), static element => element.Name.LocalName is "script" or "a" or "image" or "foreignObject");
        }
    }

    [Fact]
    public async Task What_the_model_says_with_other_numbers_is_left_out()
    {
        JsonElement output = await RunAsync(
            new JsonObject { ["data"] = Anscombe },
            "The table has 11 rows and 2 columns. The mean of 'x' is 9. The mean of 'y' is 7.6! There are seven groups. Sales grew by 40%. The correlation is 0.816.");

        Assert.Equal("The table has 11 rows and 2 columns. The mean of 'x' is 9. The correlation is 0.816.", output.Text("narrative"));
    }

    [Theory]
    [InlineData("All is 5.", null)]
    [InlineData("It is 4,200.5 in all. It is 42005.", "It is 4,200.5 in all.")]
    [InlineData("'year 2020' rises to 12. 'year 2021' too.", "'year 2020' rises to 12.")]
    [InlineData("It is '7' here.", null)]
    [InlineData("It rises. It is -12.", "It rises.")]
    [InlineData("Twice as many. A third is 12.", null)]
    [InlineData("", null)]
    public void A_sentence_is_kept_when_all_its_numbers_were_computed(string answer, string? expected) =>
        Assert.Equal(expected, Narrative.Checked(answer, [12m, 4200.5m], ["year 2020", "7"]));

    [Theory]
    [InlineData("""{"data":"a,b\n1\n"}""")]
    [InlineData("""{"data":"a,b\n\"1,2\n"}""")]
    [InlineData("""{"data":"a,b\n\"1\"x,2\n"}""")]
    [InlineData("""{"data":"  "}""")]
    [InlineData("""{"data":"{","format":"jsonl"}""")]
    [InlineData("""{"data":"[1]","format":"json"}""")]
    [InlineData("""{"data":"{}","format":"json"}""")]
    [InlineData("""{"data":[{"a":1}],"format":"csv"}""")]
    public async Task Data_that_is_not_what_its_format_says_fails_at_once(string input)
    {
        await using var host = new AgentHost();
        RunRecord run = await EndAsync(host, new ScriptedModel(2000, static _ => "x"), input);

        Assert.Equal((RunState.Dead, "invalid_data", 1), (run.State, run.Error?.Code, run.Attempt));
    }

    [Fact]
    public async Task The_same_table_is_computed_once_for_all_jobs_of_a_project()
    {
        await using var host = new AgentHost();
        var model = new ScriptedModel(2000, static _ => "It is what it is.");
        RunRecord first = await EndAsync(host, model, new JsonObject { ["data"] = Anscombe }.ToJsonString());
        RunRecord second = await EndAsync(host, model, new JsonObject { ["data"] = Anscombe, ["charts"] = false }.ToJsonString());

        Assert.Equal(StepSource.Executed, (await host.Journal.StepsAsync("p", first.Id, AgentHost.Token)).Single(static step => step.Address == "profile").Source);
        Assert.Equal(StepSource.Cache, (await host.Journal.StepsAsync("p", second.Id, AgentHost.Token)).Single(static step => step.Address == "profile").Source);
    }

    [Fact]
    public async Task A_table_that_was_brought_as_a_file_is_the_same_table()
    {
        await using var host = new AgentHost();
        var model = new ScriptedModel(2000, static _ => "It is data.");
        Artifact file = await host.Journal.UploadAsync("p", new MemoryStream([.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes(Anscombe)]), "text/csv", 10_000, AgentHost.Token);
        RunRecord named = await EndAsync(host, model, $$$"""{"data":{"artifact":"{{{file.Hash}}}"}}""");
        RunRecord inline = await EndAsync(host, model, new JsonObject { ["data"] = Anscombe }.ToJsonString());
        Artifact binary = await host.Journal.UploadAsync("p", new MemoryStream([0xff, 0xfe, 0]), "text/csv", 10_000, AgentHost.Token);
        RunRecord broken = await EndAsync(host, model, $$$"""{"data":{"artifact":"{{{binary.Hash}}}"}}""");

        Assert.Equal(await host.OutputAsync(inline.Id), await host.OutputAsync(named.Id));
        Assert.Equal((RunState.Dead, "invalid_data"), (broken.State, broken.Error?.Code));
    }

    [Fact]
    public void Any_records_are_read_as_they_were_written()
    {
        var random = new Random(3);
        string[] pieces = ["a", "\"", ",", "\n", "\r\n", ";", " ", "\u00e9", "1"];
        for (int round = 0; round < 1000; round++)
        {
            int columns = random.Next(1, 5);
            string[][] records = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => Enumerable.Range(0, columns).Select(_ => string.Concat(Enumerable.Range(0, random.Next(0, 4)).Select(_ => pieces[random.Next(pieces.Length)]))).ToArray())];
            char delimiter = random.Next(2) == 0 ? ',' : ';';
            string text = string.Join(random.Next(2) == 0 ? "\n" : "\r\n", records.Select(record => string.Join(delimiter, record.Select(static field => $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\""))));

            Assert.Equal(records, CsvReader.Read(text, delimiter));
        }
    }

    [Fact]
    public void Fields_without_quotes_keep_their_places()
    {
        Assert.Equal([["a", "", "c"], ["", "", ""], ["x", "y", ""]], CsvReader.Read("\ufeffa,,c\n,,\n\r\nx,y,", ','));
        Assert.Equal([["a"], ["b"]], CsvReader.Read("a\rb\r", ','));
    }

    [Fact]
    public void Its_schemas_can_be_checked()
    {
        var catalog = new JobCatalog([new AnalyseDataJob(new ScriptedModel(100, static _ => ""))]);

        Assert.Empty(catalog.Check("analyse-data", JsonElement.Parse("""{"data":[{"a":1}],"format":"json","charts":false,"narrative":false}""")));
        Assert.Equal("/data", Assert.Single(catalog.Check("analyse-data", JsonElement.Parse("""{"data":5}"""))).Pointer);
    }

    private static double Number(JsonElement column, string name) => column.GetProperty("numbers").GetProperty(name).GetDouble();

    private static async Task<JsonElement> RunAsync(JsonObject input, string answer = "It is data.")
    {
        await using var host = new AgentHost();
        RunRecord run = await EndAsync(host, new ScriptedModel(2000, _ => answer), input.ToJsonString());
        Assert.True(run.State == RunState.Succeeded, run.Error?.Message);
        return JsonElement.Parse(await host.OutputAsync(run.Id));
    }

    private static async Task<RunRecord> EndAsync(AgentHost host, ScriptedModel model, string input)
    {
        using var stop = new CancellationTokenSource();
        Task work = host.NewWorker(new WorkerOptions(), new AnalyseDataJob(model)).RunAsync(stop.Token);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("analyse-data", input, new RunOptions { BackoffMs = 1 }));
        await stop.CancelAsync();
        await work;
        return run;
    }
}
