using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using HelixFlow.Auth;
using HelixFlow.Cli.Bench;
using HelixFlow.Cli.Bench.Load;
using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow bench serve</c>: puts any server with the OpenAI API under load and says how its users fare.</summary>
internal sealed class BenchServeCommand
{
    private readonly Option<Uri> _url = new("--url")
    {
        Description = "The server",
        DefaultValueFactory = _ => new Uri("http://127.0.0.1:8080"),
        HelpName = "URL",
        CustomParser = result => Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? url
            : Refuse<Uri>(result, $"--url: '{result.Tokens[0].Value}' is not an http or https address"),
    };

    private readonly Option<string?> _key = new("--api-key") { Description = "Bearer key; default: HELIXFLOW_API_KEY, then, for this machine, the data folder's admin key", HelpName = "KEY" };
    private readonly Option<string?> _model = new("--model", "-m") { Description = "Model name; default: the server's first", HelpName = "NAME" };
    private readonly Option<string?> _data = Terminal.DataOption();

    private readonly Option<double[]> _rate = new("--rate")
    {
        Description = "Requests per second, arriving at random whether or not the server keeps up; 'inf' sends all at once; several values make a sweep",
        AllowMultipleArgumentsPerToken = true,
        HelpName = "N",
        CustomParser = ParseRates,
    };

    private readonly Option<int[]> _users = BenchCommand.Counts("--concurrency", "Instead of --rate: users who each wait for an answer before they ask again; several values make a sweep");
    private readonly Option<int> _requests = BenchCommand.Count("--requests", "How many requests each run sends; without it and --duration, 100", 100);
    private readonly Option<TimeSpan?> _duration = Duration("--duration", "How long each run sends requests, such as 60s or 5m");
    private readonly Option<TimeSpan?> _timeout = Duration("--timeout", "How long after its arrival a request is given up; default 10m");
    private readonly Option<int> _connections = BenchCommand.Count("--connections", "The most requests on their way at a time; others wait, and their latency counts", 512);
    private readonly Option<int> _warmUp = new("--warm-up") { Description = "Requests before each run that are not counted", DefaultValueFactory = _ => 2, HelpName = "N" };
    private readonly Option<int?> _promptTokens = new("--prompt-tokens") { Description = "Tokens of every new message; default: a mix like ShareGPT's (mean about 161)", HelpName = "N" };
    private readonly Option<int?> _outputTokens = new("--output-tokens") { Description = "Most tokens of every answer; default: a mix like ShareGPT's (mean about 338)", HelpName = "N" };
    private readonly Option<int> _prefixTokens = new("--prefix-tokens") { Description = "Tokens that all prompts begin with, as a shared system prompt", HelpName = "N" };
    private readonly Option<double> _turns = new("--turns") { Description = "Share of requests, 0 to 1, that continue an earlier conversation", HelpName = "SHARE" };
    private readonly Option<int> _maxTokens = BenchCommand.Count("--max-tokens", "The most tokens of a request, prompt and output together", 2048);
    private readonly Option<int> _seed = new("--seed") { Description = "The same seed gives the same requests and arrivals", DefaultValueFactory = _ => 1, HelpName = "N" };
    private readonly Option<string> _endpoint = new("--endpoint") { Description = "Which API", DefaultValueFactory = _ => "chat", HelpName = "chat|completions" };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Ask for answers of the full length (an extension that HelixFlow, vLLM and others know)" };
    private readonly Option<double?> _temperature = new("--temperature") { Description = "Sampling temperature; default: the server's", HelpName = "0..2" };
    private readonly Option<string[]> _limit = new("--limit") { Description = "What a good request keeps: ttft=500ms, tpot=50ms, e2e=10s; their rate is the goodput", HelpName = "NAME=TIME", AllowMultipleArgumentsPerToken = true };
    private readonly Option<string?> _csv = new("--csv") { Description = "Write a line for every request", HelpName = "FILE" };
    private readonly Option<string?> _svg = new("--svg") { Description = "Write a picture", HelpName = "FILE" };
    private readonly Option<bool> _json = new("--json") { Description = "Print one JSON object per run, a line each, with the names of 'vllm bench serve'" };

    public static Command Create()
    {
        var options = new BenchServeCommand();
        var command = new Command(
            "serve",
            """
            Put a server with the OpenAI API under load: time to first token, time per token, throughput, goodput

            Arrivals are random (Poisson) and never wait for answers, as real users do not; every latency counts from the moment at which
            the request should have been sent. Lengths come from a mix like ShareGPT's. docs/benchmarking.md says what each figure means.

            Examples:
              helixflow bench serve                                                the server on this machine, 1 request/s
              helixflow bench serve --rate 1 2 4 8 --duration 60s --svg load.svg   where it saturates
              helixflow bench serve --rate 4 --limit ttft=500ms tpot=50ms          how many users it serves well
              helixflow bench serve --concurrency 8 --prompt-tokens 64 --output-tokens 128 --prefix-tokens 1000 --ignore-eos
              helixflow bench serve --url https://example.com/v1 --api-key KEY --model NAME --requests 50 --json
            """);
        foreach (Option option in options.All)
        {
            command.Options.Add(option);
        }

        command.Validators.Add(result =>
        {
            if (result.GetResult(options._rate) is { Implicit: false } && result.GetResult(options._users) is { Implicit: false })
            {
                result.AddError("--rate and --concurrency exclude one another");
            }

            if (LatencyLimits.Parse(result.GetValue(options._limit) ?? []).Error is { } error)
            {
                result.AddError(error);
            }
        });
        options._turns.Validators.Add(result =>
        {
            if (result.Tokens is [{ } token] && double.TryParse(token.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double share) && share is not (>= 0 and <= 1))
            {
                result.AddError("--turns: a share lies between 0 and 1");
            }
        });
        BenchCommand.AtLeast(options._promptTokens, 1);
        BenchCommand.AtLeast(options._outputTokens, 1);
        BenchCommand.AtLeast(options._prefixTokens, 0);
        BenchCommand.AtLeast(options._warmUp, 0);
        options._endpoint.AcceptOnlyFromAmong("chat", "completions");
        command.SetAction((arguments, cancellationToken) => BenchCommand.GuardAsync(arguments, () => options.RunAsync(arguments, cancellationToken)));
        return command;
    }

    private IEnumerable<Option> All =>
    [
        _url, _key, _model, _rate, _users, _requests, _duration, _limit, _csv, _svg, _json, _promptTokens, _outputTokens, _prefixTokens, _turns, _maxTokens,
        _ignoreEos, _temperature, _endpoint, _seed, _warmUp, _timeout, _connections, _data,
    ];

    private async Task<int> RunAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        Uri url = arguments.GetRequiredValue(_url);
        var settings = new LoadBenchSettings
        {
            Rates = arguments.GetValue(_rate) is { Length: > 0 } rates ? rates : [1],
            Users = arguments.GetValue(_users) is { Length: > 0 } users ? users : null,
            Requests = arguments.GetResult(_requests) is { Implicit: false } || arguments.GetValue(_duration) is null ? arguments.GetValue(_requests) : int.MaxValue,
            Duration = arguments.GetValue(_duration),
            WarmUp = arguments.GetValue(_warmUp),
            Limits = LatencyLimits.Parse(arguments.GetValue(_limit) ?? []).Limits,
            Load = new LoadOptions { Connections = arguments.GetValue(_connections), Timeout = arguments.GetValue(_timeout) ?? TimeSpan.FromMinutes(10) },
            Workload = new WorkloadOptions
            {
                Seed = arguments.GetValue(_seed),
                PromptTokens = arguments.GetValue(_promptTokens),
                OutputTokens = arguments.GetValue(_outputTokens),
                PrefixTokens = arguments.GetValue(_prefixTokens),
                TurnShare = arguments.GetValue(_turns),
                MaxTokens = arguments.GetValue(_maxTokens),
            },
        };
        using OpenAiTarget target = await OpenAiTarget.ConnectAsync(
            new OpenAiTargetOptions
            {
                Url = url,
                ApiKey = arguments.GetValue(_key) ?? Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable)
                    ?? (url.IsLoopback ? AdminKey.Find(DataFolder.Resolve(arguments.GetValue(_data))) : null),
                Model = arguments.GetValue(_model),
                Chat = arguments.GetValue(_endpoint) == "chat",
                IgnoreEndOfText = arguments.GetValue(_ignoreEos),
                Temperature = arguments.GetValue(_temperature),
                Connections = arguments.GetValue(_connections),
                Seed = arguments.GetValue(_seed),
            },
            cancellationToken);
        List<LoadSummary> runs = await BenchDisplay.ShowAsync(display => new LoadBench(target, settings, TimeProvider.System, display).RunAsync(cancellationToken));
        await WriteAsync(arguments, runs, cancellationToken);
        return runs.Exists(run => run.Completed > 0) ? 0 : 1;
    }

    private async Task WriteAsync(ParseResult arguments, List<LoadSummary> runs, CancellationToken cancellationToken)
    {
        TextWriter output = arguments.InvocationConfiguration.Output;
        foreach (LoadSummary run in runs)
        {
            if (arguments.GetValue(_json))
            {
                BenchCommand.WriteLine(output, LoadReport.Json(run));
            }
            else
            {
                LoadReport.WriteTables(output, run);
                await output.WriteLineAsync();
            }
        }

        if (runs.Count > 1 && !arguments.GetValue(_json))
        {
            LoadReport.WriteSweep(output, runs);
        }

        if (arguments.GetValue(_csv) is { } csv)
        {
            await using var file = new StreamWriter(csv);
            LoadReport.WriteCsv(file, runs);
        }

        if (arguments.GetValue(_svg) is { } svg)
        {
            await File.WriteAllTextAsync(svg, runs.Count > 1 ? LoadPlots.DrawSweep(runs) : LoadPlots.Draw(runs[0]), cancellationToken);
        }
    }

    private static Option<TimeSpan?> Duration(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = result => DurationText.Parse(result.Tokens[0].Value) is { } duration
            ? duration
            : Refuse<TimeSpan?>(result, $"{name}: '{result.Tokens[0].Value}' is not like 500ms, 60s or 5m"),
    };

    private static double[] ParseRates(ArgumentResult result)
    {
        var rates = new List<double>();
        foreach (Token token in result.Tokens)
        {
            double rate = token.Value == "inf" ? double.PositiveInfinity
                : double.TryParse(token.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : double.NaN;
            if (!(rate > 0))
            {
                return Refuse<double[]>(result, $"--rate: '{token.Value}' is no rate above 0")!;
            }

            rates.Add(rate);
        }

        return [.. rates];
    }

    private static T? Refuse<T>(ArgumentResult result, string message)
    {
        result.AddError(message);
        return default;
    }
}
