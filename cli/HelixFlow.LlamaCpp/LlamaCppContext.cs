using System.Runtime.InteropServices;

namespace HelixFlow.LlamaCpp;

/// <summary>llama.cpp's state of some sequences of a model. Not thread-safe.</summary>
public sealed unsafe class LlamaCppContext : IDisposable
{
    private const int MaxBatch = 512;

    private readonly LlamaCppModel _model;
    private readonly delegate* unmanaged[Cdecl]<nint, NativeBatch, int> _decode;
    private readonly delegate* unmanaged[Cdecl]<nint, int, float*> _logits;
    private NativeBatch _batch;
    private nint _context;

    internal LlamaCppContext(LlamaCppModel model, LlamaCppContextOptions options)
    {
        _model = model;
        LlamaCppLibrary library = model.Library;
        LlamaCppParameters parameters = library.ContextDefaults();
        parameters.SetInt32(LlamaCppParameters.ContextLength, options.ContextLength * options.Sequences);
        parameters.SetInt32(LlamaCppParameters.BatchSize, 2048);
        parameters.SetInt32(LlamaCppParameters.MicroBatchSize, MaxBatch);
        parameters.SetInt32(LlamaCppParameters.SequenceCount, options.Sequences);
        parameters.SetInt32(LlamaCppParameters.Threads, options.Threads);
        parameters.SetInt32(LlamaCppParameters.BatchThreads, options.Threads);
        parameters.SetInt32(LlamaCppParameters.FlashAttention, options.FlashAttention switch { null => -1, false => 0, true => 1 });

        parameters.SetInt32(LlamaCppParameters.Pooling, options.Pooling ?? -1);

        // ggml's ids of float32 and float16; said, so that a library with another default is measured alike.
        int cacheType = options.FloatCache ? 0 : 1;
        parameters.SetInt32(LlamaCppParameters.KeyType, cacheType);
        parameters.SetInt32(LlamaCppParameters.ValueType, cacheType);

        _decode = (delegate* unmanaged[Cdecl]<nint, NativeBatch, int>)library.Symbol("llama_decode");
        _logits = (delegate* unmanaged[Cdecl]<nint, int, float*>)library.Symbol("llama_get_logits_ith");
        _context = ((delegate* unmanaged[Cdecl]<nint, LlamaCppParameters, nint>)library.Symbol("llama_init_from_model"))(model.Handle, parameters);
        if (_context == 0)
        {
            throw new InvalidOperationException($"llama.cpp cannot create a context: {LlamaCppLog.LastError}");
        }

        _batch = ((delegate* unmanaged[Cdecl]<int, int, int, NativeBatch>)library.Symbol("llama_batch_init"))(MaxBatch, 0, 1);
    }

    /// <summary>Runs the next tokens of a sequence, in batches of 512.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="firstPosition">The position of the first of them.</param>
    /// <param name="sequence">The sequence, from 0.</param>
    /// <returns>The logits after the last of them; valid until the next call.</returns>
    public ReadOnlySpan<float> Evaluate(scoped ReadOnlySpan<int> tokens, int firstPosition, int sequence = 0)
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        int count = 0;
        while (tokens.Length > 0)
        {
            count = Math.Min(tokens.Length, MaxBatch);
            _batch.TokenCount = count;
            for (int i = 0; i < count; i++)
            {
                _batch.Tokens[i] = tokens[i];
                _batch.Positions[i] = firstPosition + i;
                _batch.SequenceCounts[i] = 1;
                _batch.Sequences[i][0] = sequence;
                _batch.WantsLogits[i] = i == tokens.Length - 1 ? (sbyte)1 : (sbyte)0;
            }

            if (_decode(_context, _batch) is var code && code != 0)
            {
                throw new InvalidOperationException($"llama_decode returned {code}: {LlamaCppLog.LastError}");
            }

            tokens = tokens[count..];
            firstPosition += count;
        }

        return new ReadOnlySpan<float>(_logits(_context, count - 1), _model.VocabularySize);
    }

    /// <summary>Forgets a sequence from a position on, so that other tokens can be evaluated there.</summary>
    /// <param name="sequence">The sequence, from 0.</param>
    /// <param name="position">The first position that is forgotten; 0 forgets the sequence.</param>
    public void Truncate(int sequence, int position)
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        LlamaCppLibrary library = _model.Library;
        nint memory = ((delegate* unmanaged[Cdecl]<nint, nint>)library.Symbol("llama_get_memory"))(_context);
        if (((delegate* unmanaged[Cdecl]<nint, int, int, int, byte>)library.Symbol("llama_memory_seq_rm"))(memory, sequence, position, -1) == 0)
        {
            throw new InvalidOperationException($"llama.cpp cannot cut sequence {sequence} at {position}");
        }
    }

    /// <summary>Runs one token of each sequence 0, 1, … at the same position, together; <see cref="Logits"/> has the results.</summary>
    public void EvaluateTogether(ReadOnlySpan<int> tokens, int position)
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        _batch.TokenCount = tokens.Length;
        for (int i = 0; i < tokens.Length; i++)
        {
            _batch.Tokens[i] = tokens[i];
            _batch.Positions[i] = position;
            _batch.SequenceCounts[i] = 1;
            _batch.Sequences[i][0] = i;
            _batch.WantsLogits[i] = 1;
        }

        if (_decode(_context, _batch) is var code && code != 0)
        {
            throw new InvalidOperationException($"llama_decode returned {code}: {LlamaCppLog.LastError}");
        }
    }

    /// <summary>Runs a new sequence of at most 512 tokens and returns the hidden state of each after the final norm: [token, hidden].</summary>
    public float[] HiddenStates(ReadOnlySpan<int> tokens, int sequence = 0)
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        LlamaCppLibrary library = _model.Library;
        var setEmbeddings = (delegate* unmanaged[Cdecl]<nint, byte, void>)library.Symbol("llama_set_embeddings");
        var state = (delegate* unmanaged[Cdecl]<nint, int, float*>)library.Symbol("llama_get_embeddings_ith");
        int hidden = ((delegate* unmanaged[Cdecl]<nint, int>)library.Symbol("llama_model_n_embd"))(_model.Handle);
        _batch.TokenCount = tokens.Length;
        for (int i = 0; i < tokens.Length; i++)
        {
            _batch.Tokens[i] = tokens[i];
            _batch.Positions[i] = i;
            _batch.SequenceCounts[i] = 1;
            _batch.Sequences[i][0] = sequence;
            _batch.WantsLogits[i] = 1;
        }

        setEmbeddings(_context, 1);
        int code = _decode(_context, _batch);
        if (code != 0)
        {
            throw new InvalidOperationException($"llama_decode returned {code}: {LlamaCppLog.LastError}");
        }

        float[] states = new float[tokens.Length * hidden];
        for (int i = 0; i < tokens.Length; i++)
        {
            new ReadOnlySpan<float>(state(_context, i), hidden).CopyTo(states.AsSpan(i * hidden));
        }

        setEmbeddings(_context, 0);
        return states;
    }

    /// <summary>Runs whole texts of at most 512 tokens together, as sequences 0, 1, …, and returns what the context pools of each: <paramref name="size"/> values.</summary>
    public float[][] Embed(IReadOnlyList<int[]> texts, int size)
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        LlamaCppLibrary library = _model.Library;
        int row = 0;
        for (int sequence = 0; sequence < texts.Count; sequence++)
        {
            for (int i = 0; i < texts[sequence].Length; i++, row++)
            {
                _batch.Tokens[row] = texts[sequence][i];
                _batch.Positions[row] = i;
                _batch.SequenceCounts[row] = 1;
                _batch.Sequences[row][0] = sequence;
                _batch.WantsLogits[row] = 1;
            }
        }

        _batch.TokenCount = row;
        ((delegate* unmanaged[Cdecl]<nint, byte, void>)library.Symbol("llama_set_embeddings"))(_context, 1);
        if (_decode(_context, _batch) is var code && code != 0)
        {
            throw new InvalidOperationException($"llama_decode returned {code}: {LlamaCppLog.LastError}");
        }

        var pooled = (delegate* unmanaged[Cdecl]<nint, int, float*>)library.Symbol("llama_get_embeddings_seq");
        var vectors = new float[texts.Count][];
        for (int sequence = 0; sequence < texts.Count; sequence++)
        {
            vectors[sequence] = new ReadOnlySpan<float>(pooled(_context, sequence), size).ToArray();
        }

        return vectors;
    }

    /// <summary>The logits of a row of the latest <see cref="EvaluateTogether"/>; valid until the next call.</summary>
    public ReadOnlySpan<float> Logits(int row) => new(_logits(_context, row), _model.VocabularySize);

    public void Dispose()
    {
        if (_context != 0)
        {
            ((delegate* unmanaged[Cdecl]<NativeBatch, void>)_model.Library.Symbol("llama_batch_free"))(_batch);
            ((delegate* unmanaged[Cdecl]<nint, void>)_model.Library.Symbol("llama_free"))(_context);
            _context = 0;
        }
    }

    /// <summary>llama_batch.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct NativeBatch
    {
        public int TokenCount;
        public int* Tokens;
        public float* Embeddings;
        public int* Positions;
        public int* SequenceCounts;
        public int** Sequences;
        public sbyte* WantsLogits;
    }
}
