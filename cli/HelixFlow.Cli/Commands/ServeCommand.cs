using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using HelixFlow.Agents.Hints;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Cli.Hosting;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;
using HelixFlow.Engine.Speculation;
using HelixFlow.Gateway;
using HelixFlow.Gateway.Routing;
using HelixFlow.Gateway.VectorStores;
using HelixFlow.InferenceNode;
using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow serve</c>: all services in this process, or one of them.</summary>
internal static class ServeCommand
{
    /// <summary>The most that --drain-seconds takes.</summary>
    public static TimeSpan LongestDrain => TimeSpan.FromHours(1);

    public static Command Create()
    {
        var role = new Option<ServerRole>("--role") { Description = "all: gateway and node in one process; gateway: the API over nodes elsewhere; pool: an inference node", DefaultValueFactory = _ => ServerRole.All, HelpName = "all|gateway|pool" };
        var host = new Option<string>("--host") { Description = "Address to listen on; 0.0.0.0 is every interface", DefaultValueFactory = _ => "127.0.0.1", HelpName = "ADDRESS" };
        var port = new Option<int?>("--port") { Description = "HTTP port: the API, or in a pool process health and metrics; 0 takes a free one. Default: 8080, in a pool process 7071", HelpName = "N" };
        Option<string?> data = Terminal.DataOption();
        var models = new Option<string[]>("--model", "-m")
        {
            Description = "Model to serve: a name from `helixflow models list`, a .gguf file or a Hugging Face folder; may be repeated. Default: the built-in helix-tiny",
            HelpName = "PATH|NAME",
        };
        var threads = new Option<int>("--threads") { Description = "Worker threads of the CPU backend; default: one per core", HelpName = "N" };
        Option<string?> quantize = QuantizeOption.Create();
        var sequences = new Option<int>("--max-sequences") { Description = "Most sequences that run together, per model", DefaultValueFactory = _ => 64, HelpName = "N" };
        var waiting = new Option<int>("--max-waiting") { Description = "Most requests that wait, per model; further ones get 429", DefaultValueFactory = _ => 256, HelpName = "N" };
        Option<SpeculationMode> speculation = Terminal.SpeculationOption();
        var guesses = new Option<int>("--speculation-tokens") { Description = "Most guesses at its next tokens that a sequence runs in one step", DefaultValueFactory = _ => 8, HelpName = "N" };
        var draft = new Option<string?>("--draft-model") { Description = "The second model of --speculation draft: a smaller one with the same vocabulary; each replica loads one", HelpName = "PATH|NAME" };
        var kv = new Option<int>("--kv-mib") { Description = "Memory for keys and values, per model, in MiB; default: an eighth of the machine's", HelpName = "N" };
        Option<KvType> kvType = Terminal.KvTypeOption();
        var budget = new Option<int>("--step-time-budget") { Description = "How long a step may take while anything decodes, in ms: long prompts are computed in smaller chunks then; 0: no limit", DefaultValueFactory = _ => 100, HelpName = "MS" };
        var deterministic = new Option<bool>("--deterministic") { Description = "Equal requests get equal answers, to the bit, whatever else runs; without it, requests without a seed differ" };
        var memory = new Option<int>("--memory-mib") { Description = "What all models may take of the memory together, in MiB; default: four fifths of it", HelpName = "N" };
        var pinned = new Option<string[]>("--pin") { Description = "Model that is loaded at start and never evicted; may be repeated", HelpName = "NAME" };
        var grpcPort = new Option<int>("--grpc-port") { Description = "Pool: port for gateways (gRPC); 0 takes a free one", DefaultValueFactory = _ => 7070, HelpName = "N" };
        var nodeId = new Option<string?>("--node-id") { Description = "Pool: the node's name, unique in the pool; default: host name and gRPC port", HelpName = "NAME" };
        var register = new Option<string?>("--register") { Description = "Pool: announce the node, for example consul:http://127.0.0.1:8500/inference", HelpName = "PLACE" };
        var advertise = new Option<string?>("--advertise") { Description = "Pool: the address that is announced, for example http://10.0.0.5:7070", HelpName = "URL" };
        var nodes = new Option<string?>("--nodes") { Description = "Gateway: where nodes are found: static:http://a:7070,http://b:7070, dns:name:port or consul:http://agent:8500/service", HelpName = "PLACE" };
        var onLoss = new Option<NodeLossPolicy>("--on-node-loss") { Description = "Streams whose node is lost go on on another one (migrate) or end with an error (fail)", DefaultValueFactory = _ => NodeLossPolicy.Migrate, HelpName = "migrate|fail" };
        var routing = new Option<RoutingPolicy>("--routing") { Description = "How nodes are chosen", DefaultValueFactory = _ => RoutingPolicy.Prefix, HelpName = "prefix|leastloaded|roundrobin|random" };
        var weights = new Option<string[]>("--project-weight") { Description = "A project's share where requests queue, against 1 for the others; may be repeated", HelpName = "NAME=W" };
        var retention = new Option<string[]>("--job-retention") { Description = "How many days jobs are kept that succeeded, that did not, and how many of the last in any case: *=30, summarise=7:30:100, project/summarise=7; the first that matches counts, may be repeated", HelpName = "RULE" };
        var bucket = new Option<Uri?>("--job-bucket") { Description = "Keeps large values and files of jobs in a bucket: s3://bucket/prefix?endpoint=http://minio:9000&region=us-east-1; default: the data folder", HelpName = "URL" };
        var drain = new Option<int>("--drain-seconds") { Description = "How long running requests may take to end after SIGTERM; then they go on elsewhere", DefaultValueFactory = _ => 30, HelpName = "N" };
        var silence = new Option<int>("--silence-seconds") { Description = "Gateway: a node that says nothing for this long is lost; more where nodes share busy machines", DefaultValueFactory = _ => 4, HelpName = "N" };
        var hang = new Option<int>("--hang-seconds") { Description = "A model whose engine makes no progress for this long hangs, and the node is unhealthy; more where one step takes seconds", DefaultValueFactory = _ => 4, HelpName = "N" };
        var tls = new Option<string[]>("--tls") { Description = "Mutual TLS between gateway and nodes: own certificate, its key, and the authority that both trust (PEM files)", HelpName = "CERT KEY CA", Arity = new ArgumentArity(3, 3), AllowMultipleArgumentsPerToken = true };
        var requestRate = new Option<long>("--requests-per-minute") { Description = "Requests that each project may make per minute; further ones get 429. Default: no limit", HelpName = "N" };
        var tokenRate = new Option<long>("--tokens-per-minute") { Description = "Tokens of prompts and answers that each project may use per minute. Default: no limit", HelpName = "N" };
        var origins = new Option<string[]>("--cors-origin") { Description = "Origin that browsers may call from, or * for all; may be repeated", HelpName = "ORIGIN" };
        var embedding = new Option<string?>("--embedding-model") { Description = "Model that makes the vectors of new vector stores. Default: the only one that was made for embeddings, else the first that writes text", HelpName = "NAME" };
        var moderation = new Option<string?>("--moderation-model") { Description = "Model of the Llama Guard kind that /v1/moderations asks. Default: none, and moderations are refused", HelpName = "NAME" };
        var tools = new Option<string?>("--agent-tools") { Description = "File of JSON that says what tools of agents may reach: private hosts, secrets, MCP servers, prices, approvals (docs/agent-jobs.md)", HelpName = "FILE" };
        var privateWebhooks = new Option<bool>("--allow-private-webhooks") { Description = "Gateway: webhooks of jobs may be sent to private and loopback addresses too" };
        var database = new Option<string?>("--database") { Description = $"Gateway: PostgreSQL database for the state, which several gateways may share: postgres://user:password@host/database; also as {Databases.EnvironmentVariable}. Default: files in the data folder", HelpName = "URL" };
        var broker = new Option<string?>("--broker") { Description = $"Gateway: RabbitMQ broker by which gateways with the same --database tell each other of jobs: amqp://user:password@host/vhost; also as {Databases.BrokerVariable}. Default: the database itself", HelpName = "URL" };
        var shared = new Option<string?>("--shared-folder") { Description = "Gateway: folder for clients' files that gateways with the same --database share. Default: the data folder", HelpName = "FOLDER" };
        var certificate = new Option<string?>("--tls-cert") { Description = "Gateway: serve the API with TLS, with this certificate and its chain (PEM file); needs --tls-key", HelpName = "FILE" };
        var certificateKey = new Option<string?>("--tls-key") { Description = "Gateway: the certificate's key (PEM file)", HelpName = "FILE" };
        var handlers = new Option<string?>("--handlers") { Description = "Gateway: folder of manifests of programs that do jobs (docs/workers.md). Default: 'handlers' in the data folder, if it is there", HelpName = "DIR" };
        var jobSlots = new Option<int>("--job-slots") { Description = "Gateway: jobs at the same time in this process; 0 leaves them to helixflow worker and others. Default: four per core", HelpName = "N" };
        var jobLimits = new Option<string[]>("--job-limit") { Description = "Gateway: most jobs of a type at the same time, over all workers; may be repeated", HelpName = "TYPE=N" };
        var projectJobLimits = new Option<string[]>("--project-job-limit") { Description = "Gateway: most jobs of a project at the same time, over all workers; may be repeated", HelpName = "NAME=N" };
        var folder = new Option<string?>("--research-folder") { Description = "Folder of texts, Markdown and HTML that research jobs search; every project may read it", HelpName = "FOLDER" };
        var searxng = new Option<string?>("--searxng") { Description = "SearXNG server that research jobs search with; its settings must allow the format json", HelpName = "URL" };
        var openSearch = new Option<string?>("--opensearch") { Description = "Search service for research jobs: an address with {searchTerms} in it, or of an OpenSearch description", HelpName = "URL" };
        var allowed = new Option<string[]>("--fetch-allow")
        {
            Description = "Host, *.domain, host:port, address or network that jobs may read although it is not public, or 'private' for all private networks; may be repeated",
            HelpName = "HOST|NETWORK",
        };
        var closed = new Option<bool>("--no-public-fetch") { Description = "Jobs read no pages but those that --fetch-allow lists" };
        Require(searxng, value => Uri.TryCreate(value, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https", "it must be http://host:port/ or https://host:port/");
        Require(jobSlots, value => value is >= 0 and <= 10_000, "it must be between 0 and 10000");
        Require(requestRate, value => value >= 1, "it must be at least 1");
        Require(tokenRate, value => value >= 1, "it must be at least 1");
        Require(host, value => IPAddress.TryParse(value, out _) || value == "localhost", "it must be an IP address or localhost");
        Require(port, value => value is >= 0 and <= 65535, "it must be between 0 and 65535");
        Require(grpcPort, value => value is >= 0 and <= 65535, "it must be between 0 and 65535");
        Require(memory, value => value >= 1, "it must be at least 1");
        Require(drain, value => value >= 0 && value <= LongestDrain.TotalSeconds, $"it must be between 0 and {LongestDrain.TotalSeconds}");
        Require(silence, value => value is >= 1 and <= 3600, "it must be between 1 and 3600");
        Require(hang, value => value is >= 2 and <= 3600, "it must be between 2 and 3600");
        Require(advertise, value => Uri.TryCreate(value, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https", "it must be http://host:port or https://host:port");
        Require(threads, value => value is >= 1 and <= 1024, "it must be between 1 and 1024");
        Require(sequences, value => value is >= 1 and <= 512, "it must be between 1 and 512");
        Require(budget, value => value is >= 0 and <= 60_000, "it must be between 0 and 60000");
        Require(waiting, value => value >= 1, "it must be at least 1");
        Require(guesses, value => value is >= 1 and <= 31, "it must be between 1 and 31");
        Require(kv, value => value >= 1, "it must be at least 1");

        var command = new Command("serve", "Serve models through the OpenAI API") 
        {
            role, host, port, data, models, threads, quantize, sequences, waiting, speculation, guesses, draft, kv, kvType, budget, deterministic, memory, pinned, grpcPort, nodeId, register, advertise, nodes, onLoss, routing, weights, retention, bucket, drain, silence, hang, tls, requestRate, tokenRate, origins, embedding, moderation, privateWebhooks, tools, database, broker, shared, certificate, certificateKey, folder, searxng, openSearch, allowed, closed, handlers, jobSlots, jobLimits, projectJobLimits,
        };
        command.Validators.Add(result =>
        {
            bool isGateway = Read(() => result.GetValue(role)) == ServerRole.Gateway;
            if (isGateway && result.GetValue(nodes) is null)
            {
                result.AddError("--role gateway needs --nodes: where its inference nodes are found, for example --nodes static:http://127.0.0.1:7070.");
            }
            else if (!isGateway && result.GetValue(nodes) is not null)
            {
                result.AddError("--nodes belongs to --role gateway: this process would use its own node.");
            }

            if (Read(() => result.GetValue(speculation)) == SpeculationMode.Draft != (result.GetValue(draft) is not null))
            {
                result.AddError("--speculation draft and --draft-model belong together.");
            }

            if (result.GetValue(certificate) is null != result.GetValue(certificateKey) is null)
            {
                result.AddError("--tls-cert and --tls-key belong together.");
            }

            if (isGateway && result.GetValue(models) is { Length: > 0 })
            {
                result.AddError("--model belongs to a process with a node; a gateway serves what its nodes serve.");
            }
        });
        command.SetAction(async (arguments, cancellationToken) =>
        {
            try
            {
                string dataFolder = DataFolder.Resolve(arguments.GetValue(data));
                ServerRole serves = arguments.GetValue(role);
                string[]? peers = arguments.GetValue(tls);
                var options = new ServerOptions
                {
                    Role = serves,
                    Host = arguments.GetValue(host)!,
                    Port = arguments.GetValue(port) ?? (serves == ServerRole.Pool ? 7071 : 8080),
                    DataFolder = dataFolder,
                    Database = (arguments.GetValue(database) ?? Environment.GetEnvironmentVariable(Databases.EnvironmentVariable)) is { Length: > 0 } url ? PostgresAddress.Parse(url) : null,
                    Broker = (arguments.GetValue(broker) ?? Environment.GetEnvironmentVariable(Databases.BrokerVariable)) is { Length: > 0 } amqp ? RabbitAddress.Parse(amqp) : null,
                    SharedFolder = arguments.GetValue(shared),
                    Node = new NodeOptions
                    {
                        NodeId = arguments.GetValue(nodeId) ?? Server.NodeIdOf(serves, arguments.GetValue(grpcPort)),
                        Models = serves == ServerRole.Gateway ? [] : Models(arguments.GetValue(models) is { Length: > 0 } named ? named : new string?[1], dataFolder),
                        Pinned = arguments.GetValue(pinned) ?? [],
                        Threads = arguments.GetValue(threads),
                        Quantize = QuantizeOption.TypeOf(arguments.GetValue(quantize)),
                        MaxSequences = arguments.GetValue(sequences),
                        MaxWaiting = arguments.GetValue(waiting),
                        StepTimeBudget = arguments.GetValue(budget) is > 0 and int milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null,
                        Deterministic = arguments.GetValue(deterministic),
                        Speculation = arguments.GetValue(speculation),
                        SpeculationTokens = arguments.GetValue(guesses),
                        DraftModel = arguments.GetValue(draft) is { } second ? ModelChoice.Resolve(second, dataFolder).Path : null,
                        KvBytes = arguments.GetValue(kv) * (1L << 20),
                        KvType = arguments.GetValue(kvType),
                        MemoryBytes = arguments.GetValue(memory) * (1L << 20),
                        HangLimit = TimeSpan.FromSeconds(arguments.GetValue(hang)),
                        ProjectWeights = (arguments.GetValue(weights) ?? []).ToDictionary(Project, Weight, StringComparer.Ordinal),
                    },
                    GrpcPort = arguments.GetValue(grpcPort),
                    Register = arguments.GetValue(register),
                    Advertise = arguments.GetValue(advertise),
                    Nodes = arguments.GetValue(nodes),
                    OnNodeLoss = arguments.GetValue(onLoss),
                    Routing = arguments.GetValue(routing),
                    DrainLimit = TimeSpan.FromSeconds(arguments.GetValue(drain)),
                    SilenceLimit = TimeSpan.FromSeconds(arguments.GetValue(silence)),
                    Certificate = arguments.GetValue(certificate) is { } file ? X509Certificate2.CreateFromPemFile(file, arguments.GetValue(certificateKey)) : null,
                    AllowPrivateWebhooks = arguments.GetValue(privateWebhooks),
                    Gateway = new GatewayOptions
                    {
                        RequestsPerMinute = arguments.GetValue(requestRate),
                        TokensPerMinute = arguments.GetValue(tokenRate),
                        AllowedOrigins = arguments.GetValue(origins) ?? [],
                        VectorStores = new VectorStoreOptions { EmbeddingModel = arguments.GetValue(embedding) },
                        ModerationModel = arguments.GetValue(moderation),
                    },
                    Handlers = arguments.GetValue(handlers) ?? (Directory.Exists(Path.Combine(dataFolder, "handlers")) ? Path.Combine(dataFolder, "handlers") : null),
                    JobSlots = arguments.GetResult(jobSlots) is null ? null : arguments.GetValue(jobSlots),
                    JobLimits = Limits("--job-limit", arguments.GetValue(jobLimits)),
                    ProjectJobLimits = Limits("--project-job-limit", arguments.GetValue(projectJobLimits)),
                    AgentTools = arguments.GetValue(tools) is { } toolFile ? AgentTools.Load(toolFile) : new ToolOptions(),
                    Jobs = new JobStorage { Bucket = arguments.GetValue(bucket), Retention = [.. (arguments.GetValue(retention) ?? []).Select(JobStorage.RuleOf)] },
                    Research = new ResearchSources
                    {
                        Folder = arguments.GetValue(folder),
                        Searxng = arguments.GetValue(searxng) is { } service ? new Uri(service) : null,
                        OpenSearch = arguments.GetValue(openSearch),
                        Allowed = arguments.GetValue(allowed) ?? [],
                        IsClosed = arguments.GetValue(closed),
                    },
                    Tls = peers is { Length: 3 } ? PeerTls.Load(peers[0], peers[1], peers[2]) : null,
                };
                return options is { Broker: not null, Database: null, Role: not ServerRole.Pool }
                    ? throw new ArgumentException("--broker goes with --database: jobs that lie in this server's own files are known to nobody else.")
                    : await Server.RunAsync(options, cancellationToken);
            }
            catch (Exception exception) when (exception is StoreException or ModelFormatException or InferenceException or IOException or InvalidDataException or UnauthorizedAccessException or FormatException or ArgumentException or CryptographicException)
            {
                await Console.Error.WriteLineAsync(exception.Message);
                return 1;
            }
        });
        return command;
    }

    private static ModelSource[] Models(string?[] namesOrPaths, string folder) =>
        [.. namesOrPaths.Select(name => ModelChoice.Resolve(name, folder)).Select(model => new ModelSource(model.Name, model.Path))];

    private static string Project(string text) => text[..Math.Max(0, text.LastIndexOf('='))];

    /// <exception cref="FormatException">It is not NAME=W with a positive number.</exception>
    private static double Weight(string text) =>
        text.LastIndexOf('=') is > 0 and int at && double.TryParse(text.AsSpan(at + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out double weight) && weight is > 0 and <= 1000
            ? weight
            : throw new FormatException($"--project-weight: '{text}' will not do; it must be a project's name, '=' and a number above 0 and at most 1000.");

    /// <exception cref="FormatException">One is not NAME=N with a positive number.</exception>
    private static Dictionary<string, int> Limits(string option, string[]? texts) => (texts ?? []).ToDictionary(
        Project,
        text => text.LastIndexOf('=') is > 0 and int at && int.TryParse(text.AsSpan(at + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int most) && most > 0
            ? most
            : throw new FormatException($"{option}: '{text}' will not do; it must be a name, '=' and a number above 0."),
        StringComparer.Ordinal);

    private static void Require<T>(Option<T> option, Func<T, bool> holds, string rule) => option.Validators.Add(result =>
    {
        if (result.Tokens.Count == 1 && Read(() => result.GetValueOrDefault<T>()) is { } value && !holds(value))
        {
            result.AddError($"{option.Name}: '{value}' will not do; {rule}.");
        }
    });

    /// <summary>An option's value; the default where it cannot be read, which the parser says by itself after all rules.</summary>
    private static T? Read<T>(Func<T?> value)
    {
        try
        {
            return value();
        }
        catch (InvalidOperationException)
        {
            return default;
        }
    }
}
