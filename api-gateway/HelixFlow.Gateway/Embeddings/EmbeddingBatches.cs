using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Errors;
using HelixFlow.Observability;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Embeddings;

/// <summary>Vectors of any number of inputs: cut into batches, of which a few at a time go through the pool, each to the node that suits it.</summary>
/// <remarks>
/// Thread-safe. Each batch queues, is retried and is cancelled as a request of its own, so that a long list neither waits as a whole for the
/// node that is lost nor keeps other projects from being served. The first failure ends the rest.
/// </remarks>
internal sealed class EmbeddingBatches(MeasuredPool pool)
{
    /// <summary>Most inputs of a batch: a few steps of an engine, and a small message even for wide models.</summary>
    public const int MostInputs = 32;

    /// <summary>Most characters, or token ids, of a batch of several inputs.</summary>
    public const int MostLength = 64 << 10;

    /// <summary>Most batches of one request that are under way.</summary>
    public const int MostAtOnce = 4;

    /// <param name="context">The client's request: its end ends the work.</param>
    /// <param name="template">Everything but the inputs.</param>
    /// <param name="inputs">None of them empty.</param>
    /// <param name="nameOf">How errors name the input of an index.</param>
    /// <exception cref="OpenAiException">The pool refused or failed a batch.</exception>
    public async Task<EmbeddedInputs> RunAsync(HttpContext context, EmbedRequest template, IReadOnlyList<EmbedInput> inputs, Func<int, string> nameOf)
    {
        template.Project = BearerKey.ProjectOf(context);
        var vectors = new Embedding[inputs.Count];
        long tokens = 0;
        var limits = new ParallelOptions { MaxDegreeOfParallelism = MostAtOnce, CancellationToken = context.RequestAborted };
        await Parallel.ForEachAsync(Cut(inputs), limits, async (batch, token) =>
        {
            EmbedRequest request = template.Clone();
            request.RequestId = $"{context.TraceIdentifier}-{batch.Start}";
            request.Inputs.AddRange(inputs.Skip(batch.Start).Take(batch.Count));
            EmbedResponse response;
            try
            {
                response = await pool.EmbedAsync(request, token);
            }
            catch (InferenceException exception)
            {
                throw new OpenAiException(Rename(OpenAiError.Of(exception, "input"), batch, nameOf), exception);
            }

            if (response.Embeddings.Count != batch.Count)
            {
                throw new InvalidOperationException($"the pool answered {batch.Count} inputs with {response.Embeddings.Count} vectors");
            }

            response.Embeddings.CopyTo(vectors, batch.Start);
            Interlocked.Add(ref tokens, response.PromptTokens);
        });
        return new EmbeddedInputs(vectors, tokens);
    }

    private static IEnumerable<(int Start, int Count)> Cut(IReadOnlyList<EmbedInput> inputs)
    {
        int start = 0;
        long length = 0;
        for (int i = 0; i < inputs.Count; i++)
        {
            int more = inputs[i].InputCase switch
            {
                EmbedInput.InputOneofCase.Tokens => inputs[i].Tokens.Ids.Count,
                EmbedInput.InputOneofCase.Pair => inputs[i].Pair.First.Length + inputs[i].Pair.Second.Length,
                _ => inputs[i].Text.Length,
            };
            if (i > start && (i - start == MostInputs || length + more > MostLength))
            {
                yield return (start, i - start);
                start = i;
                length = 0;
            }

            length += more;
        }

        yield return (start, inputs.Count - start);
    }

    // Nodes name an input by its place in the batch.
    private static OpenAiError Rename(OpenAiError error, (int Start, int Count) batch, Func<int, string> nameOf)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            if (error.Param == $"inputs[{i}]")
            {
                string name = nameOf(batch.Start + i);
                return error with { Param = name, Message = error.Message.Replace(error.Param, name, StringComparison.Ordinal) };
            }
        }

        return error;
    }
}

/// <summary>What became of inputs.</summary>
/// <param name="Vectors">In the order of the inputs; of unit length.</param>
/// <param name="Tokens">Of all inputs.</param>
internal sealed record EmbeddedInputs(IReadOnlyList<Embedding> Vectors, long Tokens)
{
    /// <summary>The cosine similarity of two inputs' vectors: [-1, 1].</summary>
    public double Similarity(int first, int second)
    {
        double sum = 0;
        for (int i = 0; i < Vectors[first].Values.Count; i++)
        {
            sum += (double)Vectors[first].Values[i] * Vectors[second].Values[i];
        }

        return Math.Clamp(sum, -1, 1); // their lengths are 1 but for rounding
    }
}
