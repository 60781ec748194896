using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Formats;
using HelixFlow.InferenceNode;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Cli.Conversation;

/// <summary>Runs the model in this process: no server, no key.</summary>
internal sealed class LocalChat : IChatSource
{
    private readonly Node _node;
    private readonly ModelDescription _model;

    private LocalChat(Node node, ModelDescription model)
    {
        _node = node;
        _model = model;
    }

    public string Description => $"{_model.Name} ({_model.Architecture}, {_model.Weights}, {Commands.Terminal.Count((long)_model.Parameters)} parameters)";

    /// <summary>Loads a model by name or path; null is the built-in one.</summary>
    /// <exception cref="ChatSourceException">There is no such model, it cannot be read, has no chat template, or cannot have its keys and values stored so.</exception>
    public static async Task<LocalChat> LoadAsync(string? nameOrPath, string dataFolder, Action<NodeOptions> configure, CancellationToken cancellationToken)
    {
        try
        {
            ModelLocation location = ModelChoice.Resolve(nameOrPath, dataFolder);
            var options = new NodeOptions { Models = [new ModelSource(location.Name, location.Path)], MaxSequences = 1 };
            configure(options);
            var node = new Node(options, TimeProvider.System, NullLoggerFactory.Instance);
            await node.LoadAsync(cancellationToken);
            ModelDescription model = (await node.ListModelsAsync(new ListModelsRequest(), cancellationToken)).Models[0];
            return model.Chat ? new LocalChat(node, model) : throw new ChatSourceException($"{location.Name} has no chat template: it is not a chat model.");
        }
        catch (Exception exception) when (exception is StoreException or ModelFormatException or InferenceException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ChatSourceException(exception.Message, exception);
        }
    }

    public async IAsyncEnumerable<ReplyPiece> ReplyAsync(
        JsonArray messages, ChatSettings settings, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new GenerateRequest
        {
            RequestId = "local",
            Model = _model.Name,
            Chat = new ChatPrompt { MessagesJson = messages.ToJsonString() },
            Sampling = new SamplingParameters(),
        };
        if (settings.Temperature is { } temperature)
        {
            request.Sampling.Temperature = temperature;
        }

        if (settings.TopP is { } topP)
        {
            request.Sampling.TopP = topP;
        }

        if (settings.Seed is { } seed)
        {
            request.Sampling.Seed = seed;
        }

        if (settings.MaxTokens is > 0 and int maxTokens)
        {
            request.MaxTokens = (uint)maxTokens;
        }

        await using IAsyncEnumerator<GenerateEvent> events = _node.GenerateAsync(request, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await NextAsync(events))
        {
            switch (events.Current)
            {
                case { Token: { } token }:
                    if (token.Reasoning.Length > 0)
                    {
                        yield return new ReplyPiece(token.Reasoning, IsReasoning: true);
                    }

                    if (token.Text.Length > 0)
                    {
                        yield return new ReplyPiece(token.Text, IsReasoning: false);
                    }

                    break;
                case { Finish: { Reason: FinishReason.Error } failure }:
                    throw new ChatSourceException(failure.Error);
            }
        }
    }

    public ValueTask DisposeAsync() => _node.DisposeAsync();

    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<GenerateEvent> events)
    {
        try
        {
            return await events.MoveNextAsync();
        }
        catch (InferenceException exception)
        {
            throw new ChatSourceException(exception.Message, exception);
        }
    }
}
