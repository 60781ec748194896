using System.CommandLine;
using HelixFlow.Auth;
using HelixFlow.Cli.Conversation;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Speculation;
using HelixFlow.InferenceNode;

namespace HelixFlow.Cli.Commands;

/// <summary>The options that <c>chat</c> and <c>run</c> share: which model answers, and how.</summary>
internal sealed class ChatOptions
{
    public Option<string?> Model { get; } = new("--model", "-m") { Description = "Model: a name from `helixflow models list`, a .gguf file or a Hugging Face folder", HelpName = "PATH|NAME" };

    public Option<Uri?> Url { get; } = new("--url")
    {
        Description = "Ask a server with the OpenAI API instead of running the model in this process",
        HelpName = "URL",
        CustomParser = result => Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? new Uri(result.Tokens[0].Value)
            : Refuse(result, $"--url: '{result.Tokens[0].Value}' is not an http or https address"),
    };

    public Option<string?> ApiKey { get; } = new("--api-key") { Description = "Bearer key for --url; default: HELIXFLOW_API_KEY, then the data folder's admin key", HelpName = "KEY" };

    public Option<string?> Data { get; } = Terminal.DataOption();

    public Option<string?> System { get; } = new("--system", "-s") { Description = "System message", HelpName = "TEXT" };

    public Option<float?> Temperature { get; } = new("--temperature", "-t") { Description = "0 is greedy; default: the model's own", HelpName = "0..2" };

    public Option<float?> TopP { get; } = new("--top-p") { Description = "Nucleus sampling", HelpName = "0..1" };

    public Option<int?> MaxTokens { get; } = new("--max-tokens", "-n") { Description = "Most tokens per reply", HelpName = "N" };

    public Option<long?> Seed { get; } = new("--seed") { Description = "The same seed and prompt give the same reply", HelpName = "N" };

    public Option<bool> HideReasoning { get; } = new("--hide-reasoning") { Description = "Do not show what a model thinks before it answers" };

    public Option<int> Threads { get; } = new("--threads") { Description = "Worker threads of the CPU backend; default: one per core", HelpName = "N" };

    public Option<string?> Quantize { get; } = QuantizeOption.Create();

    public Option<KvType> KvType { get; } = Terminal.KvTypeOption();

    public Option<bool> Deterministic { get; } = new("--deterministic") { Description = "The same prompt gives the same reply, with or without a seed; with --url, the server decides" };

    public Option<SpeculationMode> Speculation { get; } = Terminal.SpeculationOption();

    public Option<string?> DraftModel { get; } = new("--draft-model") { Description = "The second model of --speculation draft", HelpName = "PATH|NAME" };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[Model, Url, ApiKey, Data, System, Temperature, TopP, MaxTokens, Seed, HideReasoning, Threads, Quantize, KvType, Deterministic, Speculation, DraftModel])
        {
            command.Options.Add(option);
        }
    }

    public ChatSettings Settings(ParseResult arguments) => new(
        arguments.GetValue(Temperature), arguments.GetValue(TopP), arguments.GetValue(MaxTokens), arguments.GetValue(Seed));

    /// <summary>Opens what the options name: a server, or a model in this process.</summary>
    /// <exception cref="ChatSourceException">It cannot be opened.</exception>
    public async Task<IChatSource> OpenAsync(ParseResult arguments, CancellationToken cancellationToken)
    {
        string data = DataFolder.Resolve(arguments.GetValue(Data));
        if (arguments.GetValue(Url) is { } url)
        {
            string? key = arguments.GetValue(ApiKey) ?? Environment.GetEnvironmentVariable(AdminKey.EnvironmentVariable) ?? (url.IsLoopback ? AdminKey.Find(data) : null);
            return await RemoteChat.ConnectAsync(url, key, arguments.GetValue(Model), cancellationToken);
        }

        return await LocalChat.LoadAsync(arguments.GetValue(Model), data, options => Apply(arguments, data, options), cancellationToken);
    }

    private void Apply(ParseResult arguments, string data, NodeOptions options)
    {
        options.Threads = arguments.GetValue(Threads);
        options.Quantize = QuantizeOption.TypeOf(arguments.GetValue(Quantize));
        options.KvType = arguments.GetValue(KvType);
        options.Deterministic = arguments.GetValue(Deterministic);
        options.Speculation = arguments.GetValue(Speculation);
        options.DraftModel = arguments.GetValue(DraftModel) is { } draft ? ModelChoice.Resolve(draft, data).Path : null;
    }

    private static Uri? Refuse(System.CommandLine.Parsing.ArgumentResult result, string message)
    {
        result.AddError(message);
        return null;
    }
}
