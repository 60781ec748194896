using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Routing;

/// <summary>One request on its way: where it has been, what has been sent to its client, and how it goes on elsewhere.</summary>
/// <remarks>
/// Used by its request's thread; the router reads <see cref="Excluded"/> and <see cref="Chain"/> under its lock while that thread waits. A node
/// that goes on gets the original request and the tokens of every choice that has not ended: it computes them anew, and its detokenizer and
/// stop texts are then exactly where the lost node's were, so that the client sees one stream.
/// </remarks>
internal sealed class Route
{
    private const long FixedSeed = 0; // as nodes have it

    private readonly GenerateRequest _request;
    private readonly ulong[] _chain;
    private readonly SortedDictionary<uint, Choice> _choices = [];
    private readonly bool _resumable;
    private readonly long _seed;
    private PromptReady? _prompt;
    private uint _cachedTokens;

    public Route(GenerateRequest request, bool resumable, bool usesPrefix, bool deterministic = false)
    {
        _seed = deterministic ? FixedSeed : Random.Shared.NextInt64();
        _resumable = resumable;
        _request = request;
        _chain = [];
        if (usesPrefix)
        {
            Span<ulong> hashes = stackalloc ulong[PromptChain.MaxBlocks];
            _chain = hashes[..PromptChain.Compute(request, hashes)].ToArray();
        }

        for (uint i = 0; i < Math.Max(1, request.N); i++)
        {
            _choices.Add(i, new Choice());
        }
    }

    public string Model => _request.Model;

    public string Project => _request.Project;

    public int Priority => _request.Priority;

    public ReadOnlySpan<ulong> Chain => _chain;

    /// <summary>The nodes that failed it.</summary>
    public List<NodeView> Excluded { get; } = [];

    /// <summary>Attempts begun.</summary>
    public int Attempts { get; private set; }

    /// <summary>Whether the client has got a part of the answer: from here on, a retry must go on where it stopped.</summary>
    public bool HasStarted { get; private set; }

    /// <summary>Whether the stream has its end.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether every choice has ended, so that only the usage may be missing.</summary>
    public bool HasAllChoices => _choices.Values.All(static choice => choice.HasEnded);

    /// <summary>A rough cost for fair shares: tokens to compute and to generate.</summary>
    public double Cost => Math.Max(1, (_chain.Length * PromptChain.BlockBytes / 4.0) + ((_request.HasMaxTokens ? Math.Min(_request.MaxTokens, 4096) : 256) * (double)_choices.Count));

    /// <summary>The request for the next node.</summary>
    /// <param name="left">The time that is left; null for no limit.</param>
    public GenerateRequest NextAttempt(TimeSpan? left)
    {
        Attempts++;
        if (!_resumable && left is null)
        {
            return _request;
        }

        GenerateRequest next = _request.Clone();
        next.WithTokenIds = _resumable || _request.WithTokenIds;
        if (_resumable && next.Sampling?.HasSeed != true)
        {
            // So that another node would go on with the very tokens that this one would have sampled.
            next.Sampling ??= new SamplingParameters();
            next.Sampling.Seed = _seed;
        }

        if (left is { } time)
        {
            next.TimeoutMs = (uint)Math.Clamp(Math.Ceiling(time.TotalMilliseconds), 1, uint.MaxValue);
        }

        if (HasStarted)
        {
            next.Echo = false;
            foreach ((uint index, Choice choice) in _choices)
            {
                if (!choice.HasEnded)
                {
                    next.Resume.Add(new ResumedChoice { Choice = index, TokenIds = { choice.Tokens } });
                }
            }
        }

        return next;
    }

    /// <summary>Notes an event of the node; the result is what the client gets of it, null for nothing.</summary>
    public GenerateEvent? Take(GenerateEvent next)
    {
        switch (next.EventCase)
        {
            case GenerateEvent.EventOneofCase.Prompt:
                if (_prompt is not null)
                {
                    return null; // a later attempt's
                }

                _prompt = next.Prompt;
                return next;
            case GenerateEvent.EventOneofCase.Token:
                HasStarted = true;
                if (_resumable && _choices.TryGetValue(next.Token.Choice, out Choice? choice))
                {
                    choice.Tokens.AddRange(next.Token.TokenIds);
                }

                return next;
            case GenerateEvent.EventOneofCase.Finish:
                HasStarted = true;
                if (_choices.TryGetValue(next.Finish.Choice, out Choice? ended))
                {
                    ended.HasEnded = true;
                    ended.Generated = next.Finish.GeneratedTokens;
                    ended.Reasoning = next.Finish.ReasoningTokens;
                }

                return next;
            case GenerateEvent.EventOneofCase.Usage:
                _cachedTokens = next.Usage.CachedTokens;
                return Complete();
            default:
                return HasStarted ? null : next; // Waiting: to a client whose stream runs, a pause is just a pause
        }
    }

    /// <summary>The stream's end, over all attempts.</summary>
    public GenerateEvent Complete()
    {
        IsComplete = true;
        uint promptTokens = _prompt?.PromptTokens ?? 0;
        return new GenerateEvent
        {
            Usage = new Usage
            {
                PromptTokens = promptTokens,
                CompletionTokens = (uint)_choices.Values.Sum(static choice => choice.Generated),
                CachedTokens = Math.Min(_cachedTokens, promptTokens),
                ReasoningTokens = (uint)_choices.Values.Sum(static choice => choice.Reasoning),
            },
        };
    }

    private sealed class Choice
    {
        public List<int> Tokens { get; } = [];

        public bool HasEnded { get; set; }

        public uint Generated { get; set; }

        public uint Reasoning { get; set; }
    }
}
