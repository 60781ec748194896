namespace HelixFlow.Engine.Backends;

/// <summary>
/// The rows that one step of a model works on: some tokens of some sequences, prefill chunks and decode rows alike.
/// </summary>
/// <remarks>
/// Reused from step to step without allocating; owned by the engine thread. Rows of a sequence are consecutive and their positions ascend by
/// one. Every position up to a sequence's last row has a slot in its block table.
/// </remarks>
public sealed class Batch
{
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _outputRows; // logit rows, then state rows
    private readonly int[] _stateRows;
    private readonly BatchSequence[] _sequences;
    private int _rows;
    private int _sequenceCount;
    private int _logitRowCount;
    private int _stateRowCount;

    public Batch(int maxRows, int maxSequences)
    {
        _tokens = new int[maxRows];
        _positions = new int[maxRows];
        _outputRows = new int[maxRows];
        _stateRows = new int[maxRows];
        _sequences = new BatchSequence[maxSequences];
    }

    public int MaxRows => _tokens.Length;

    public int MaxSequences => _sequences.Length;

    public int Rows => _rows;

    /// <summary>Token id of each row.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, _rows);

    /// <summary>Position of each row in its sequence, from 0.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, _rows);

    public ReadOnlySpan<BatchSequence> Sequences => _sequences.AsSpan(0, _sequenceCount);

    /// <summary>The rows whose logits are wanted, ascending.</summary>
    public ReadOnlySpan<int> LogitRows => _outputRows.AsSpan(0, _logitRowCount);

    /// <summary>The rows whose final hidden states are wanted, ascending; others than <see cref="LogitRows"/>.</summary>
    public ReadOnlySpan<int> StateRows => _stateRows.AsSpan(0, _stateRowCount);

    /// <summary><see cref="LogitRows"/>, then <see cref="StateRows"/>; valid until rows are added.</summary>
    public ReadOnlySpan<int> OutputRows
    {
        get
        {
            StateRows.CopyTo(_outputRows.AsSpan(_logitRowCount));
            return _outputRows.AsSpan(0, _logitRowCount + _stateRowCount);
        }
    }

    public void Clear()
    {
        _rows = _sequenceCount = _logitRowCount = _stateRowCount = 0;
    }

    /// <summary>Adds the next tokens of a sequence.</summary>
    /// <param name="tokens">The tokens to run.</param>
    /// <param name="firstPosition">Position of the first of them; all earlier positions are cached already.</param>
    /// <param name="blockTable">The sequence's blocks; entry i holds positions i * blockSize to (i + 1) * blockSize - 1.</param>
    /// <param name="wantLogits">Whether the last token's logits are wanted.</param>
    public void Add(ReadOnlySpan<int> tokens, int firstPosition, ReadOnlyMemory<int> blockTable, bool wantLogits)
    {
        AddForLogits(tokens, firstPosition, blockTable, wantLogits ? 1 : 0);
    }

    /// <summary>Adds the next tokens of a sequence, of which the logits of several are wanted: the guesses at its end are to be verified.</summary>
    /// <param name="tokens">As for <see cref="Add"/>.</param>
    /// <param name="firstPosition">As for <see cref="Add"/>.</param>
    /// <param name="blockTable">As for <see cref="Add"/>.</param>
    /// <param name="wantedLogits">Of how many of the last tokens the logits are wanted; 0 to all of them.</param>
    public void AddForLogits(ReadOnlySpan<int> tokens, int firstPosition, ReadOnlyMemory<int> blockTable, int wantedLogits)
    {
        AddRows(tokens, firstPosition, blockTable);
        for (int row = _rows - wantedLogits; row < _rows; row++)
        {
            _outputRows[_logitRowCount++] = row;
        }
    }

    /// <summary>Adds the next tokens of a sequence of which hidden states are wanted instead of logits.</summary>
    /// <param name="tokens">As for <see cref="Add"/>.</param>
    /// <param name="firstPosition">As for <see cref="Add"/>.</param>
    /// <param name="blockTable">As for <see cref="Add"/>.</param>
    /// <param name="wantedStates">Of how many of the last tokens the states are wanted; 0 to all of them.</param>
    public void AddForStates(ReadOnlySpan<int> tokens, int firstPosition, ReadOnlyMemory<int> blockTable, int wantedStates)
    {
        AddRows(tokens, firstPosition, blockTable);
        for (int row = _rows - wantedStates; row < _rows; row++)
        {
            _stateRows[_stateRowCount++] = row;
        }
    }

    private void AddRows(ReadOnlySpan<int> tokens, int firstPosition, ReadOnlyMemory<int> blockTable)
    {
        tokens.CopyTo(_tokens.AsSpan(_rows));
        for (int i = 0; i < tokens.Length; i++)
        {
            _positions[_rows + i] = firstPosition + i;
        }

        _sequences[_sequenceCount++] = new BatchSequence(_rows, tokens.Length, firstPosition, blockTable);
        _rows += tokens.Length;
    }
}

/// <summary>One sequence's part of a <see cref="Batch"/>.</summary>
/// <param name="FirstRow">Its first row.</param>
/// <param name="RowCount">Its rows: 1 when it decodes, more when it prefills.</param>
/// <param name="FirstPosition">The first row's position: how many of its tokens are cached already.</param>
/// <param name="BlockTable">The blocks that hold its positions.</param>
public readonly record struct BatchSequence(int FirstRow, int RowCount, int FirstPosition, ReadOnlyMemory<int> BlockTable);
