using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Attention;
using HelixFlow.Engine.Cpu.Elementwise;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Threads;

namespace HelixFlow.Engine.Cpu;

/// <summary>Normalises: a chunk is one row with all its groups.</summary>
internal sealed unsafe class NormWork : ParallelWork
{
    public CpuTensor Input { get; set; } = null!;

    public CpuVector Weight { get; set; } = null!;

    public float Epsilon { get; set; }

    public CpuTensor Output { get; set; } = null!;

    public override void Run(int chunk, int worker)
    {
        for (int column = 0; column < Input.Columns; column += Weight.Columns)
        {
            RowOperations.RmsNorm(Input.Row(chunk) + column, Weight.Data, Weight.Columns, Epsilon, Output.Row(chunk) + column);
        }
    }
}

/// <summary>Normalises rows about their mean: a chunk is one row.</summary>
internal sealed unsafe class LayerNormWork : ParallelWork
{
    public CpuTensor Input { get; set; } = null!;

    public CpuVector Weight { get; set; } = null!;

    public CpuVector Bias { get; set; } = null!;

    public float Epsilon { get; set; }

    public CpuTensor Output { get; set; } = null!;

    public override void Run(int chunk, int worker) =>
        RowOperations.LayerNorm(Input.Row(chunk), Weight.Data, Bias.Data, Input.Columns, Epsilon, Output.Row(chunk));
}

/// <summary>Activates rows: a chunk is one row.</summary>
internal sealed unsafe class ActivationWork : ParallelWork
{
    public CpuTensor Rows { get; set; } = null!;

    public Activation Activation { get; set; }

    public override void Run(int chunk, int worker) => Activations.Apply(Rows.Row(chunk), Rows.Columns, Activation, CpuBackend.Vectors);
}

/// <summary>Looks rows of a table up: a chunk is one row.</summary>
internal sealed unsafe class EmbedWork(int workers) : ParallelWork
{
    private readonly float[][] _rows = new float[workers][]; // of each worker, for what is added

    public CpuTable Table { get; set; } = null!;

    public int[] Ids { get; set; } = [];

    public float Scale { get; set; }

    public bool Accumulate { get; set; }

    public CpuTensor Output { get; set; } = null!;

    public override void Run(int chunk, int worker)
    {
        float* target = Output.Row(chunk);
        if (!Accumulate)
        {
            Read(chunk, target);
            return;
        }

        if (_rows[worker] is null || _rows[worker].Length < Output.Columns)
        {
            _rows[worker] = new float[Output.Columns];
        }

        fixed (float* row = _rows[worker])
        {
            Read(chunk, row);
            RowOperations.Add(target, row, Output.Columns);
        }
    }

    private void Read(int chunk, float* row)
    {
        Table.Read(Ids[chunk], row);
        if (Scale != 1)
        {
            RowOperations.ScaleAndCap(row, Output.Columns, Scale, 0);
        }
    }
}

/// <summary>Normalises rows and adds them to others: a chunk is one row.</summary>
internal sealed unsafe class AddNormedWork : ParallelWork
{
    public CpuTensor Accumulator { get; set; } = null!;

    public CpuTensor Addend { get; set; } = null!;

    public CpuVector Weight { get; set; } = null!;

    public float Epsilon { get; set; }

    public override void Run(int chunk, int worker)
    {
        float* addend = Addend.Row(chunk);
        RowOperations.RmsNorm(addend, Weight.Data, Weight.Columns, Epsilon, addend);
        RowOperations.Add(Accumulator.Row(chunk), addend, Addend.Columns);
    }
}

/// <summary>Rotates queries and keys and stores keys and values: a chunk is one row.</summary>
internal sealed unsafe class RopeWork : ParallelWork
{
    public CpuTensor Query { get; set; } = null!;

    public CpuTensor Key { get; set; } = null!;

    public CpuTensor Value { get; set; } = null!;

    public Rope Rope { get; set; } = null!;

    public CpuKvStore Kv { get; set; } = null!;

    public int Layer { get; set; }

    public Batch Batch { get; set; } = null!;

    public override void Run(int chunk, int worker)
    {
        int pairs = Rope.Frequencies.Length;
        float* cosines = stackalloc float[pairs];
        float* sines = stackalloc float[pairs];
        int position = Batch.Positions[chunk];
        Rotation.Angles(Rope, position, cosines, sines);
        Rotation.Apply(Query.Row(chunk), Query.Columns / Rope.HeadSize, Rope, cosines, sines);
        Rotation.Apply(Key.Row(chunk), Key.Columns / Rope.HeadSize, Rope, cosines, sines);

        KvLayout layout = Kv.Layout;
        int block = SequenceOf(chunk).BlockTable.Span[position / layout.BlockSize];
        int offset = position % layout.BlockSize;
        for (int head = 0; head < layout.KvHeads; head++)
        {
            int at = head * layout.HeadSize;
            Kv.Write(Layer, block, head, offset, Key.Row(chunk) + at, Value.Row(chunk) + at);
        }
    }

    private BatchSequence SequenceOf(int row)
    {
        ReadOnlySpan<BatchSequence> sequences = Batch.Sequences;
        int low = 0;
        int high = sequences.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = sequences[middle].FirstRow <= row ? (middle, high) : (low, middle - 1);
        }

        return sequences[low];
    }
}
