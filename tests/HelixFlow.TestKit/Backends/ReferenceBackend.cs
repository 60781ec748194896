using System.Numerics;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Formats;

namespace HelixFlow.TestKit.Backends;

/// <summary>
/// The backend operations as plain loops over unpacked float32 weights, summed in double: slow, obvious, and without the rounding of
/// activations that a fast backend does for quantised weights, unless asked to round as llama.cpp does.
/// </summary>
public sealed class ReferenceBackend : IBackend
{
    /// <inheritdoc/>
    public string Description => "reference";

    /// <summary>
    /// Whether to round as llama.cpp does: activations to the type that goes with the weights (<see cref="ActivationRounding"/>), and GELU,
    /// which it looks up in a table from half to half precision. What differs from llama.cpp then is the order of sums.
    /// </summary>
    public bool RoundsLikeLlamaCpp { get; init; }

    /// <summary>Operations run so far.</summary>
    public int Operations { get; private set; }

    /// <summary>Tensors, weights and stores that are not disposed yet.</summary>
    public int Alive { get; private set; }

    public DeviceWeight LoadMatrix(StoredTensor tensor) => Load(tensor, 0);

    public DeviceWeight LoadTable(StoredTensor tensor) => Load(tensor, 0);

    public DeviceWeight LoadVector(StoredTensor tensor, float add = 0) => Load(tensor, add);

    public DeviceTensor Allocate(int maxRows, int columns) => new Tensor(this, maxRows, columns);

    public DeviceKvStore AllocateKv(KvLayout layout) => new KvStore(this, layout);

    public void Embed(DeviceWeight table, ReadOnlySpan<int> tokens, float scale, DeviceTensor output, bool accumulate = false)
    {
        Operations++;
        output.Rows = tokens.Length;
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<float> row = Values(table).AsSpan(tokens[i] * table.Columns, table.Columns);
            Span<float> result = Row(output, i);
            for (int j = 0; j < row.Length; j++)
            {
                result[j] = (accumulate ? result[j] : 0) + (row[j] * scale);
            }
        }
    }

    public void RmsNorm(DeviceTensor input, DeviceWeight weight, float epsilon, DeviceTensor output)
    {
        Operations++;
        CheckRows(input, output);
        float[] scales = Values(weight);
        for (int start = 0; start < output.Rows * output.Columns; start += scales.Length)
        {
            ReadOnlySpan<float> group = Values(input).AsSpan(start, scales.Length);
            double squares = 0;
            foreach (float x in group)
            {
                squares += (double)x * x;
            }

            double factor = 1 / Math.Sqrt((squares / group.Length) + epsilon);
            for (int j = 0; j < group.Length; j++)
            {
                Values(output)[start + j] = (float)(group[j] * factor * scales[j]);
            }
        }
    }

    public void LayerNorm(DeviceTensor input, DeviceWeight weight, DeviceWeight bias, float epsilon, DeviceTensor output)
    {
        Operations++;
        CheckRows(input, output);
        for (int i = 0; i < output.Rows; i++)
        {
            double[] row = [.. Row(input, i)];
            double mean = row.Average();
            double deviation = Math.Sqrt(row.Average(x => (x - mean) * (x - mean)) + epsilon);
            Span<float> result = Row(output, i);
            for (int j = 0; j < row.Length; j++)
            {
                result[j] = (float)(((row[j] - mean) / deviation * Values(weight)[j]) + Values(bias)[j]);
            }
        }
    }

    public void Activate(DeviceTensor x, Activation activation)
    {
        Operations++;
        foreach (ref float value in Values(x).AsSpan(0, x.Rows * x.Columns))
        {
            value = (float)Activated(value, activation);
        }
    }

    public void Linear(DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceTensor output, bool accumulate = false)
    {
        Operations++;
        CheckRows(input, output);
        CheckColumns(input, weight.Columns);
        CheckColumns(output, weight.Rows);
        for (int i = 0; i < output.Rows; i++)
        {
            ReadOnlySpan<float> row = RoundsLikeLlamaCpp ? ActivationRounding.LikeLlamaCpp(Row(input, i), ((Weight)weight).Type) : Row(input, i);
            Span<float> result = Row(output, i);
            for (int o = 0; o < weight.Rows; o++)
            {
                double sum = Dot(row, Values(weight).AsSpan(o * weight.Columns, weight.Columns)) + (bias is null ? 0 : Values(bias)[o]);
                result[o] = (float)(accumulate ? result[o] + sum : sum);
            }
        }
    }

    public void RopeAndStore(DeviceTensor query, DeviceTensor key, DeviceTensor value, Rope rope, DeviceKvStore kv, int layer, Batch batch)
    {
        Operations++;
        var store = (KvStore)kv;
        foreach (BatchSequence sequence in batch.Sequences)
        {
            for (int row = sequence.FirstRow; row < sequence.FirstRow + sequence.RowCount; row++)
            {
                int position = batch.Positions[row];
                Rotate(Row(query, row), rope, position);
                Rotate(Row(key, row), rope, position);
                for (int head = 0; head < kv.Layout.KvHeads; head++)
                {
                    Row(key, row).Slice(head * rope.HeadSize, rope.HeadSize).CopyTo(store.Slot(store.Keys, layer, head, sequence, position));
                    Row(value, row).Slice(head * rope.HeadSize, rope.HeadSize).CopyTo(store.Slot(store.Values, layer, head, sequence, position));
                }
            }
        }
    }

    public void Attention(DeviceTensor query, DeviceKvStore kv, int layer, Batch batch, in AttentionParameters parameters, DeviceTensor output)
    {
        Operations++;
        CheckRows(query, output);
        var store = (KvStore)kv;
        int headSize = kv.Layout.HeadSize;
        foreach (BatchSequence sequence in batch.Sequences)
        {
            for (int row = sequence.FirstRow; row < sequence.FirstRow + sequence.RowCount; row++)
            {
                for (int head = 0; head < parameters.Heads; head++)
                {
                    int kvHead = head / (parameters.Heads / kv.Layout.KvHeads);
                    Attend(
                        Row(query, row).Slice(head * headSize, headSize), store, layer, kvHead, sequence, batch.Positions[row], parameters,
                        Row(output, row).Slice(head * headSize, headSize));
                }
            }
        }
    }

    public void Project(in NormedRows input, ReadOnlySpan<Projection> projections)
    {
        if (input.Norm is { } norm)
        {
            RmsNorm(input.Rows, norm, input.Epsilon, input.Scratch);
        }

        foreach (Projection projection in projections)
        {
            Linear(input.Norm is null ? input.Rows : input.Scratch, projection.Weight, projection.Bias, projection.Output);
        }
    }

    public void ProjectGated(in NormedRows input, in Projection gate, in Projection up, Activation activation)
    {
        Project(input, [gate, up]);
        CheckRows(up.Output, gate.Output);
        (float[] gates, float[] ups) = (Values(gate.Output), Values(up.Output));
        for (int i = 0; i < gate.Output.Rows * gate.Output.Columns; i++)
        {
            gates[i] = (float)(Activated(gates[i], activation) * ups[i]);
        }
    }

    public void AddNormed(DeviceTensor accumulator, DeviceTensor addend, DeviceWeight norm, float epsilon)
    {
        CheckRows(addend, accumulator);
        RmsNorm(addend, norm, epsilon, addend);
        for (int i = 0; i < accumulator.Rows * accumulator.Columns; i++)
        {
            Values(accumulator)[i] += Values(addend)[i];
        }
    }

    public void ScaleAndCap(DeviceTensor x, float scale, float cap)
    {
        Operations++;
        for (int i = 0; i < x.Rows * x.Columns; i++)
        {
            double scaled = (double)Values(x)[i] * scale;
            Values(x)[i] = (float)(cap > 0 ? cap * Math.Tanh(scaled / cap) : scaled);
        }
    }

    public void Gather(DeviceTensor input, ReadOnlySpan<int> rows, DeviceTensor output)
    {
        Operations++;
        output.Rows = rows.Length;
        for (int i = 0; i < rows.Length; i++)
        {
            Row(input, rows[i]).CopyTo(Row(output, i));
        }
    }

    public void CopyBlock(DeviceKvStore kv, int source, int destination)
    {
        Operations++;
        ((KvStore)kv).Copy(source, destination);
    }

    public ReadOnlySpan<float> Read(DeviceTensor tensor) => Values(tensor).AsSpan(0, tensor.Rows * tensor.Columns);

    public void Dispose()
    {
    }

    private static void Attend(
        ReadOnlySpan<float> query,
        KvStore store,
        int layer,
        int kvHead,
        BatchSequence sequence,
        int position,
        AttentionParameters parameters,
        Span<float> output)
    {
        int first = parameters.Window == 0 ? 0 : Math.Max(0, position - parameters.Window + 1);
        int last = parameters.SeesAll ? sequence.FirstPosition + sequence.RowCount - 1 : position;
        var weights = new double[last + 1 - first];
        for (int i = 0; i < weights.Length; i++)
        {
            double score = Dot(query, store.Slot(store.Keys, layer, kvHead, sequence, first + i)) * parameters.Scale;
            weights[i] = parameters.SoftCap > 0 ? parameters.SoftCap * Math.Tanh(score / parameters.SoftCap) : score;
        }

        double max = weights.Max();
        weights = Array.ConvertAll(weights, weight => Math.Exp(weight - max));
        double total = weights.Sum();
        for (int j = 0; j < output.Length; j++)
        {
            double sum = 0;
            for (int i = 0; i < weights.Length; i++)
            {
                sum += weights[i] * store.Slot(store.Values, layer, kvHead, sequence, first + i)[j];
            }

            output[j] = (float)(sum / total);
        }
    }

    /// <summary>The error function: its Taylor series near 0, the continued fraction of its complement farther off.</summary>
    public static double Erf(double x)
    {
        if (Math.Abs(x) > 3)
        {
            double fraction = 0;
            for (int n = 80; n > 0; n--)
            {
                fraction = n / 2.0 / (Math.Abs(x) + fraction);
            }

            return Math.Sign(x) * (1 - (Math.Exp(-x * x) / Math.Sqrt(Math.PI) / (Math.Abs(x) + fraction)));
        }

        double term = x;
        double sum = x;
        for (int n = 1; n < 100; n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    // llama.cpp has the tanh form of GELU alone.
    private double Activated(float x, Activation activation) => activation switch
    {
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.Tanh => Math.Tanh(x),
        _ when RoundsLikeLlamaCpp && Math.Abs(x) < 10 => (double)(Half)Gelu((double)(Half)x),
        Activation.GeluErf when !RoundsLikeLlamaCpp => 0.5 * x * (1 + Erf(x / Math.Sqrt(2))),
        _ => Gelu(x),
    };

    private static double Gelu(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

    private static void Rotate(Span<float> row, Rope rope, int position)
    {
        for (; row.Length > 0; row = row[rope.HeadSize..])
        {
            for (int i = 0; i < rope.Frequencies.Length; i++)
            {
                (int a, int b) = rope.Pairing == RopePairing.Adjacent ? (2 * i, (2 * i) + 1) : (i, i + rope.Frequencies.Length);
                (double sin, double cos) = Math.SinCos((double)rope.Frequencies[i] * position);
                (double x, double y) = (row[a] * rope.Magnitude, row[b] * rope.Magnitude);
                row[a] = (float)((x * cos) - (y * sin));
                row[b] = (float)((x * sin) + (y * cos));
            }
        }
    }

    private static double Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        // Whole vectors of doubles first: slow is fine, minutes are not.
        Vector<double> sums = Vector<double>.Zero;
        int i = 0;
        for (; i <= a.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector.Widen(new Vector<float>(a[i..]), out Vector<double> a0, out Vector<double> a1);
            Vector.Widen(new Vector<float>(b[i..]), out Vector<double> b0, out Vector<double> b1);
            sums += (a0 * b0) + (a1 * b1);
        }

        double sum = Vector.Sum(sums);
        for (; i < a.Length; i++)
        {
            sum += (double)a[i] * b[i];
        }

        return sum;
    }

    private static void CheckRows(DeviceTensor input, DeviceTensor output)
    {
        if (input.Rows != output.Rows)
        {
            throw new InvalidOperationException($"the input has {input.Rows} rows, the output {output.Rows}");
        }
    }

    private static void CheckColumns(DeviceTensor tensor, int expected)
    {
        if (tensor.Columns != expected)
        {
            throw new InvalidOperationException($"a tensor has {tensor.Columns} columns, {expected} are expected");
        }
    }

    private static float[] Values(DeviceTensor tensor) => ((Tensor)tensor).Values;

    private static float[] Values(DeviceWeight weight) => ((Weight)weight).Values;

    private static Span<float> Row(DeviceTensor tensor, int row) => Values(tensor).AsSpan(row * tensor.Columns, tensor.Columns);

    private Weight Load(StoredTensor tensor, float add)
    {
        float[] values = TensorUnpacking.ToFloats(tensor);
        return new Weight(this, tensor, add == 0 ? values : Array.ConvertAll(values, value => value + add));
    }

    private sealed class Tensor : DeviceTensor
    {
        private readonly ReferenceBackend _owner;

        public Tensor(ReferenceBackend owner, int maxRows, int columns)
            : base(maxRows, columns)
        {
            _owner = owner;
            _owner.Alive++;
            Values = new float[maxRows * columns];
            Values.AsSpan().Fill(float.NaN);
        }

        public float[] Values { get; }

        protected override void Dispose(bool disposing) => _owner.Alive--;
    }

    private sealed class Weight : DeviceWeight
    {
        private readonly ReferenceBackend _owner;

        public Weight(ReferenceBackend owner, StoredTensor tensor, float[] values)
            : base(tensor.Rows, tensor.Columns)
        {
            Type = tensor.Type;
            _owner = owner;
            _owner.Alive++;
            Values = values;
        }

        public TensorType Type { get; }

        public float[] Values { get; }

        public override long SizeBytes => sizeof(float) * (long)Values.Length;

        protected override void Dispose(bool disposing) => _owner.Alive--;
    }

    private sealed class KvStore : DeviceKvStore
    {
        private readonly ReferenceBackend _owner;

        public KvStore(ReferenceBackend owner, KvLayout layout)
            : base(layout)
        {
            _owner = owner;
            _owner.Alive++;
            int size = layout.Layers * layout.Blocks * layout.KvHeads * layout.BlockSize * layout.HeadSize;
            Keys = new float[size];
            Values = new float[size];
            Keys.AsSpan().Fill(float.NaN);
            Values.AsSpan().Fill(float.NaN);
        }

        // [layer, block, kvHead, position in block, headSize]
        public float[] Keys { get; }

        public float[] Values { get; }

        public Span<float> Slot(float[] data, int layer, int head, BatchSequence sequence, int position)
        {
            int block = sequence.BlockTable.Span[position / Layout.BlockSize];
            int row = (((((layer * Layout.Blocks) + block) * Layout.KvHeads) + head) * Layout.BlockSize) + (position % Layout.BlockSize);
            return data.AsSpan(row * Layout.HeadSize, Layout.HeadSize);
        }

        public void Copy(int source, int destination)
        {
            int size = Layout.KvHeads * Layout.BlockSize * Layout.HeadSize;
            for (int layer = 0; layer < Layout.Layers; layer++)
            {
                int first = layer * Layout.Blocks;
                Keys.AsSpan((first + source) * size, size).CopyTo(Keys.AsSpan((first + destination) * size));
                Values.AsSpan((first + source) * size, size).CopyTo(Values.AsSpan((first + destination) * size));
            }
        }

        protected override void Dispose(bool disposing) => _owner.Alive--;
    }
}
