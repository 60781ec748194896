namespace HelixFlow.Cli.Bench.Engines;

/// <summary>Times an engine: prompts one after another, then all sequences together, greedily. Not thread-safe.</summary>
/// <remarks>
/// The prompts are the ids 100 + (i * 7919 + 31 * sequence) mod min(7000, vocabulary - 200), so that every engine can be given exactly the
/// same work. A prompt stays in the engine's cache: the decoding of more sequences evaluates only the prompts that are new.
/// </remarks>
internal sealed class EngineMeter(IMeasuredEngine engine, TimeProvider time)
{
    private const int WarmUpSteps = 24;

    // The greedy token after each sequence's prompt; a prompt of another length makes all of them void.
    private readonly List<int> _afterPrompt = [];
    private int _prompt = -1;

    /// <summary>
    /// Runs some steps of each kind without timing: the just-in-time compiler needs them before its code is what runs for the rest of the
    /// process, and the weights are read for the first time.
    /// </summary>
    public void WarmUp(int prompt, int sequences)
    {
        int length = Math.Min(prompt, 64);
        _prompt = -1;
        engine.Rewind(0, 0);
        engine.Prefill(0, Prompt(0, length));
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            engine.Rewind(sequence, 0);
        }

        int[] next = new int[sequences];
        for (int step = 0; step < Math.Min(WarmUpSteps, length); step++)
        {
            engine.Step(next, step);
        }
    }

    /// <summary>Evaluates one sequence's prompt and returns the rate in tokens per second.</summary>
    public double Prefill(int sequence, int prompt)
    {
        if (_prompt != prompt)
        {
            _prompt = prompt;
            _afterPrompt.Clear();
        }

        int[] tokens = Prompt(sequence, prompt);
        engine.Rewind(sequence, 0);
        long start = time.GetTimestamp();
        int next = engine.Prefill(sequence, tokens);
        double rate = prompt / time.GetElapsedTime(start).TotalSeconds;
        while (_afterPrompt.Count <= sequence)
        {
            _afterPrompt.Add(-1);
        }

        _afterPrompt[sequence] = next;
        return rate;
    }

    /// <summary>Evaluates those prompts of the first sequences that the engine does not hold yet, and returns the rate of each in tokens per second.</summary>
    public List<double> PrefillMissing(int sequences, int prompt)
    {
        var rates = new List<double>();
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            if (_prompt != prompt || sequence >= _afterPrompt.Count || _afterPrompt[sequence] < 0)
            {
                rates.Add(Prefill(sequence, prompt));
            }
        }

        return rates;
    }

    /// <summary>Continues the first sequences together and returns the rate of all of them in tokens per second.</summary>
    /// <param name="sequences">How many; their prompts must have been evaluated.</param>
    /// <param name="generate">Tokens of each continuation; the first came from the prompt, so one step less is timed.</param>
    /// <param name="continuations">Receives the tokens: [sequence][step].</param>
    public double Decode(int sequences, int generate, out int[][] continuations)
    {
        continuations = [.. Enumerable.Range(0, sequences).Select(_ => new int[generate])];
        int[] next = [.. _afterPrompt.Take(sequences)];
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            engine.Rewind(sequence, _prompt);
            continuations[sequence][0] = next[sequence];
        }

        long start = time.GetTimestamp();
        for (int step = 1; step < generate; step++)
        {
            engine.Step(next, _prompt + step - 1);
            for (int sequence = 0; sequence < sequences; sequence++)
            {
                continuations[sequence][step] = next[sequence];
            }
        }

        return generate > 1 ? (generate - 1) * sequences / time.GetElapsedTime(start).TotalSeconds : 0;
    }

    private int[] Prompt(int sequence, int length)
    {
        // Vocabularies of test models may be smaller than the offset.
        int vocabulary = engine.VocabularySize;
        int first = vocabulary > 400 ? 100 : 0;
        int modulus = vocabulary > 400 ? Math.Min(7000, vocabulary - 200) : vocabulary;
        int[] tokens = new int[length];
        for (int i = 0; i < length; i++)
        {
            tokens[i] = first + (int)((((long)i * 7919) + (31 * sequence)) % modulus);
        }

        return tokens;
    }
}
