using System.Runtime.CompilerServices;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Sampling;
using HelixFlow.InferenceNode.Generation;
using HelixFlow.InferenceNode.Serving;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.Extensions.Logging;

namespace HelixFlow.InferenceNode;

/// <summary>An inference node: loads its models and answers requests for them.</summary>
/// <remarks>Thread-safe. Templates, tokenisation and detokenisation run on the caller's threads, the models on one engine thread each.</remarks>
public sealed partial class Node : IInferencePool, IAsyncDisposable
{
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private readonly NodeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private volatile ServedModel[] _models = [];
    private volatile bool _ready;

    public Node(NodeOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        _options = options;
        _time = time;
        _logger = loggers.CreateLogger<Node>();
    }

    /// <summary>Whether all configured models are loaded and requests are taken.</summary>
    public bool IsReady => _ready;

    /// <summary>Loads the configured models, one after the other; each is served as soon as it is loaded.</summary>
    /// <exception cref="Engine.Formats.ModelFormatException">A model is damaged or of a kind that is not supported.</exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        foreach (ModelSource source in _options.Models)
        {
            long start = _time.GetTimestamp();
            ServedModel model = await Task.Run(() => ServedModel.Load(source, _options, _time), cancellationToken).ConfigureAwait(false);
            _models = [.. _models, model];
            Log.Loaded(_logger, source.Name, model.Description.Architecture, model.Description.Weights, _time.GetElapsedTime(start).TotalMilliseconds);
        }

        _ready = true;
    }

    /// <summary>Refuses new requests and waits until the running ones have ended.</summary>
    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        _ready = false;
        await Task.WhenAll(_models.Select(model => model.Engine.DrainAsync(cancellationToken))).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<GenerateEvent> GenerateAsync(GenerateRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (request.Echo && request.HasTopLogprobs)
        {
            throw new InferenceException(InferenceError.InvalidArgument, "echo together with logprobs is not supported: prompt tokens have no log probabilities here.", "echo");
        }

        ServedModel model = Find(request.Model);
        using SequenceStream stream = Submit(request, model, out ChoiceText[] choices);
        await using CancellationTokenRegistration cancelled = cancellationToken.UnsafeRegister(static stream => ((SequenceStream)stream!).Cancel(), stream);
        yield return new GenerateEvent { Prompt = new PromptReady { PromptTokens = (uint)stream.PromptTokens } };
        if (request.Echo)
        {
            foreach (GenerateEvent echo in Echo(request, model, choices.Length))
            {
                yield return echo;
            }
        }

        uint generated = 0;
        while (await stream.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
        {
            while (stream.TryRead(out SequenceEvent next))
            {
                ChoiceText choice = choices[next.Choice];
                if (next.Kind == SequenceEventKind.Finished)
                {
                    generated += (uint)next.GeneratedTokens;
                    if (choice.Flush() is { } rest)
                    {
                        yield return new GenerateEvent { Token = rest };
                    }

                    yield return new GenerateEvent { Finish = FinishOf(next, choice.Stopped) };
                }
                else if (!choice.Stopped)
                {
                    TokenChunk? chunk = choice.Append(next);
                    if (choice.Stopped)
                    {
                        stream.Cancel(next.Choice);
                    }

                    if (chunk is not null)
                    {
                        yield return new GenerateEvent { Token = chunk };
                    }
                }
            }
        }

        yield return new GenerateEvent
        {
            Usage = new Usage { PromptTokens = (uint)stream.PromptTokens, CompletionTokens = generated, CachedTokens = (uint)stream.CachedTokens },
        };
    }

    /// <inheritdoc/>
    public ValueTask<ListModelsResponse> ListModelsAsync(ListModelsRequest request, CancellationToken cancellationToken)
    {
        var response = new ListModelsResponse();
        response.Models.AddRange(_models.Select(model => model.Description));
        return ValueTask.FromResult(response);
    }

    /// <inheritdoc/>
    public ValueTask<NodeLoad> GetLoadAsync(GetLoadRequest request, CancellationToken cancellationToken)
    {
        var load = new NodeLoad();
        foreach (ServedModel model in _models)
        {
            EngineSnapshot engine = model.Engine.Snapshot();
            load.Waiting += (uint)engine.Waiting;
            load.Running += (uint)engine.Running;
            load.KvBlocksTotal += (uint)engine.BlocksTotal;
            load.KvBlocksHeld += (uint)engine.BlocksHeld;
            load.KvBlocksCached += (uint)engine.BlocksCached;
            load.PromptTokensTotal += (ulong)engine.PromptTokens;
            load.GeneratedTokensTotal += (ulong)engine.GeneratedTokens;
            load.StepsTotal += (ulong)engine.Steps;
        }

        return ValueTask.FromResult(load);
    }

    public async ValueTask DisposeAsync()
    {
        _ready = false;
        ServedModel[] models = _models;
        _models = [];
        foreach (ServedModel model in models)
        {
            await model.DisposeAsync().ConfigureAwait(false);
        }
    }

    private ServedModel Find(string name)
    {
        foreach (ServedModel model in _models)
        {
            if (model.Description.Name == name)
            {
                return model;
            }
        }

        if (_options.Models.Any(source => source.Name == name))
        {
            throw new InferenceException(InferenceError.Unavailable, $"The model '{name}' is still loading.") { RetryAfter = RetryAfter };
        }

        throw new InferenceException(InferenceError.ModelNotFound, $"The model '{name}' does not exist or you do not have access to it.", "model");
    }

    private SequenceStream Submit(GenerateRequest request, ServedModel model, out ChoiceText[] choices)
    {
        int[] prompt = PromptTokens.Of(request, model, _time);
        bool withTokens = request.HasTopLogprobs;
        int count = (int)Math.Clamp(request.N, 1, int.MaxValue);
        int room = model.ContextLength - prompt.Length;
        if (room < 1 || (request.HasMaxTokens && request.MaxTokens > room))
        {
            throw ContextLengthExceeded(model.ContextLength, prompt.Length, request.HasMaxTokens ? request.MaxTokens : 1);
        }

        var sequences = new SequenceRequest
        {
            RequestId = request.RequestId,
            Prompt = prompt,
            MaxTokens = request.HasMaxTokens ? (int)request.MaxTokens : null,
            StopIds = request.StopTokenIds,
            IgnoreEnd = request.IgnoreEos,
            Sampling = SamplingMapping.Complete(request.Sampling, model.Defaults),
            TopLogprobs = withTokens ? (int)Math.Min(request.TopLogprobs, int.MaxValue) : null,
            Priority = request.Priority,
            Project = request.Project,
            CacheSalt = request.Project,
            Count = count,
        };
        SubmitOutcome outcome = model.Engine.Submit(sequences, out SequenceStream? stream);
        if (outcome != SubmitOutcome.Accepted)
        {
            throw Refusal(outcome, sequences, model, prompt.Length);
        }

        choices = new ChoiceText[count];
        for (int i = 0; i < count; i++)
        {
            choices[i] = new ChoiceText((uint)i, model.Tokenizer, request.Stop, withTokens);
        }

        return stream!;
    }

    private static InferenceException Refusal(SubmitOutcome outcome, SequenceRequest request, ServedModel model, int promptTokens) => outcome switch
    {
        SubmitOutcome.InvalidRequest => InvalidRequest(model.Engine.FindProblem(request)),
        SubmitOutcome.ContextLengthExceeded => ContextLengthExceeded(model.Engine.MaxSequenceTokens, promptTokens, (uint)(request.MaxTokens ?? 1)),
        SubmitOutcome.Overloaded => new InferenceException(InferenceError.Overloaded, "Too many requests are waiting for this model. Please try again later.") { RetryAfter = RetryAfter },
        SubmitOutcome.Draining => new InferenceException(InferenceError.Unavailable, "The server is shutting down.") { RetryAfter = RetryAfter },
        _ => new InferenceException(InferenceError.Internal, $"The model '{model.Description.Name}' has failed and takes no more requests."),
    };

    private static InferenceException InvalidRequest(RequestProblem? problem) =>
        new(InferenceError.InvalidArgument, problem?.Message ?? "The engine refuses the request.", problem?.Field);

    private static InferenceException ContextLengthExceeded(int context, int promptTokens, uint completionTokens) => new(
        InferenceError.ContextLengthExceeded,
        $"This model's maximum context length is {context} tokens. However, you requested {promptTokens + completionTokens} tokens " +
        $"({promptTokens} in the prompt, {completionTokens} for the completion). Please reduce the length of either one.",
        "prompt");

    private static Finish FinishOf(in SequenceEvent end, bool stopped) => new()
    {
        Choice = (uint)end.Choice,
        Reason = stopped ? Schemas.Inference.V1.FinishReason.Stop : end.Reason switch
        {
            Engine.Execution.FinishReason.Stop => Schemas.Inference.V1.FinishReason.Stop,
            Engine.Execution.FinishReason.Length => Schemas.Inference.V1.FinishReason.Length,
            Engine.Execution.FinishReason.Cancelled => Schemas.Inference.V1.FinishReason.Cancelled,
            _ => Schemas.Inference.V1.FinishReason.Error,
        },
        Error = end.Error ?? "",
    };

    private static IEnumerable<GenerateEvent> Echo(GenerateRequest request, ServedModel model, int choices)
    {
        string text = request.PromptCase switch
        {
            GenerateRequest.PromptOneofCase.Text => request.Text,
            GenerateRequest.PromptOneofCase.Tokens => model.Tokenizer.Decode([.. request.Tokens.Ids], skipSpecial: false),
            _ => throw new InferenceException(InferenceError.InvalidArgument, "echo works with text and token prompts only.", "echo"),
        };
        for (int i = 0; i < choices; i++)
        {
            yield return new GenerateEvent { Token = new TokenChunk { Choice = (uint)i, Text = text } };
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Information, "Loaded {Model} ({Architecture}, {Weights}) in {Milliseconds:F0} ms")]
        public static partial void Loaded(ILogger logger, string model, string architecture, string weights, double milliseconds);
    }
}
