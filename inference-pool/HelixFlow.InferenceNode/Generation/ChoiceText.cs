using System.Text;
using Google.Protobuf;
using HelixFlow.Engine.Execution;
using HelixFlow.Engine.Tokenization;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>Turns one choice's tokens into text: whole characters only, ending before the first stop text; of chats also into reasoning and calls.</summary>
/// <remarks>Used by its request's thread alone.</remarks>
internal sealed class ChoiceText(
    uint choice, Tokenizer tokenizer, IEnumerable<string> stops, bool withTokens, bool withIds = false, AnswerReader? answer = null, IReadOnlySet<int>? shown = null)
{
    private readonly StreamingDetokenizer _detokenizer = tokenizer.CreateDetokenizer(shown: shown);
    private readonly StopMatcher _stops = new(stops);
    private readonly List<int> _unreported = []; // ids of tokens whose chunk is yet to come

    /// <summary>Whether a stop text was found: the choice is complete, whatever else the engine still sends.</summary>
    public bool Stopped => _stops.Stopped;

    /// <summary>The stop text that was found; empty for none.</summary>
    public string StopText => _stops.Found;

    /// <summary>Tokens so far that were reasoning.</summary>
    public int ReasoningTokens => answer?.ReasoningTokens ?? 0;

    /// <summary>Takes tokens that another node has sampled and sent as text, so that what follows goes on from there.</summary>
    /// <remarks>Before the first token of this node. Afterwards <see cref="Stopped"/> tells whether the choice had been complete.</remarks>
    public void Prime(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens)
        {
            string text = _stops.Append(_detokenizer.Append(token));
            answer?.Append(text);
        }

        answer?.TakeInto(new TokenChunk());
    }

    /// <summary>The chunk for a sampled token; null when there is nothing to send yet.</summary>
    public TokenChunk? Append(in SequenceEvent sampled) => Append(sampled.Token, sampled.Logprob, sampled.TopLogprobs.Span);

    /// <summary>The chunk for a token and its log probabilities; null when there is nothing to send yet.</summary>
    public TokenChunk? Append(int token, float logprob, ReadOnlySpan<Engine.Sampling.TokenLogprob> top)
    {
        string text = _stops.Append(_detokenizer.Append(token));
        if (withIds)
        {
            _unreported.Add(token);
        }

        var chunk = new TokenChunk { Choice = choice };
        answer?.Append(text);
        if (!Fill(chunk, text) && !withTokens)
        {
            return null;
        }

        AddIds(chunk);
        if (!withTokens)
        {
            return chunk;
        }

        TokenLogprob described = Describe(token, logprob);
        foreach (Engine.Sampling.TokenLogprob alternative in top)
        {
            described.Top.Add(Describe(alternative.Token, alternative.Logprob));
        }

        chunk.Tokens.Add(described);
        return chunk;
    }

    /// <summary>The chunk with what was held back, after the last token; null when nothing was.</summary>
    public TokenChunk? Flush()
    {
        string text = "";
        if (!Stopped)
        {
            text = _stops.Append(_detokenizer.Flush());
            text += _stops.Flush();
        }

        answer?.End(text);
        var chunk = new TokenChunk { Choice = choice };
        if (!Fill(chunk, text))
        {
            return null;
        }

        AddIds(chunk);
        return chunk;
    }

    private bool Fill(TokenChunk chunk, string text)
    {
        if (answer is not null)
        {
            return answer.TakeInto(chunk);
        }

        chunk.Text = text;
        return text.Length > 0;
    }

    private void AddIds(TokenChunk chunk)
    {
        chunk.TokenIds.AddRange(_unreported);
        _unreported.Clear();
    }

    private TokenLogprob Describe(int id, float logprob)
    {
        ReadOnlySpan<byte> bytes = tokenizer.TokenBytes(id);
        return new TokenLogprob { Id = id, Text = Encoding.UTF8.GetString(bytes), Bytes = ByteString.CopyFrom(bytes), Logprob = logprob };
    }
}
