using System.CommandLine;
using HelixFlow.Cli.Commands;

// The launcher runs the tests itself, because it has to build them; here the command is only explained.
var test = new Command("test", "Build everything and run the tests (from a source checkout, with ./helixflow test)");
test.SetAction(_ =>
{
    Console.Error.WriteLine("Tests run from a source checkout: ./helixflow test");
    return 2;
});

var root = new RootCommand(
    """
    HelixFlow serves language models through the OpenAI API.

    Examples:
      helixflow serve                                   serve the built-in model on http://127.0.0.1:8080
      helixflow serve --model ~/models/llama.gguf       serve a model of your own
      helixflow run "What is HelixFlow?"                answer one prompt without a server
      helixflow chat                                    talk in the terminal
      helixflow pull Qwen/Qwen2.5-0.5B-Instruct-GGUF    fetch a model from Hugging Face
      helixflow serve --role pool                       an inference node for gateways elsewhere
      helixflow serve --role gateway --nodes static:http://127.0.0.1:7070
      helixflow nodes                                   what a running server's nodes are doing
      helixflow batch submit requests.jsonl --watch     many requests, at the lowest priority
      helixflow jobs submit summarise --text-file report.txt --watch
      helixflow schedules add nightly summarise --cron "0 3 * * *" --input @report.json
      helixflow worker --url http://gateway:8080        do a server's jobs in a process of its own
      helixflow bench engine                            measure this machine
      helixflow bench serve --rate 4                    measure a server under load
    """)
{
    ServeCommand.Create(),
    ChatCommand.Create(),
    RunCommand.Create(),
    ModelsCommand.Create(),
    PullCommand.Create(),
    BenchCommand.Create(),
    NodesCommand.Create(),
    BatchCommand.Create(),
    JobsCommand.Create(),
    WorkerCommand.Create(),
    SchedulesCommand.Create(),
    McpCommand.Create(),
    test,
};

// After SIGTERM the server lets its streams finish and a worker its jobs, as long as --drain-seconds says; the parser's own limit of two seconds would cut them off.
TimeSpan ending = args is ["serve" or "worker", ..] ? ServeCommand.LongestDrain + TimeSpan.FromMinutes(1) : TimeSpan.FromSeconds(10);
return await root.Parse(args, Terminal.Parsing).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = ending });
