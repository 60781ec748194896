using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using HelixFlow.Engine.Backends;
using HelixFlow.Engine.Cpu.Attention;
using HelixFlow.Engine.Cpu.Elementwise;
using HelixFlow.Engine.Cpu.MachineCode;
using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Memory;
using HelixFlow.Engine.Cpu.Projections;
using HelixFlow.Engine.Cpu.Quantisation;
using HelixFlow.Engine.Cpu.Threads;
using HelixFlow.Engine.Cpu.Vectors;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Engine.Cpu;

/// <summary>The backend for this machine's processor: vector kernels over quantised or float weights, on a team of threads.</summary>
/// <remarks>
/// The caller's thread is one of the team. Nothing is allocated per operation. Results do not depend on the timing of threads; a float row's
/// result does not depend on the other rows of the batch either.
/// </remarks>
public sealed unsafe class CpuBackend : IBackend
{
    // Weights of the smallest chunk of a product: some microseconds to read, a hundred times what taking the chunk costs.
    private const int SmallestChunkWeights = 64 << 10;

    // From how many rows on a product's time goes to arithmetic and no longer to reading weights in long runs.
    private const int ManyRows = 16;

    private readonly bool _machineCode;
    private readonly WorkerTeam _team;
    private readonly WeightMemory _memory = new();
    private readonly TensorType? _quantize;
    private readonly ChunkPlan _plan = new();
    private readonly ProductInput _input = new();
    private readonly ProductWork _product;
    private readonly GatedWork _gated;
    private readonly NormWork _norm = new();
    private readonly LayerNormWork _layerNorm = new();
    private readonly ActivationWork _activation = new();
    private readonly EmbedWork _embed;
    private readonly AddNormedWork _addNormed = new();
    private readonly RopeWork _rope = new();
    private readonly PagedAttention _attention;

    /// <exception cref="ArgumentOutOfRangeException">The number of threads is not between 1 and 1024, or weights cannot be rounded to the type.</exception>
    public CpuBackend(CpuBackendOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Threads, 1024, nameof(options));
        if (options.Quantize is { } type && !BlockQuantiser.CanQuantise(type))
        {
            throw new ArgumentOutOfRangeException(nameof(options), type, "weights can be rounded to Q8_0, Q4_0 and Q4_K");
        }

        _quantize = options.Quantize;
        _machineCode = options.MachineCode && MachineKernels.IsSupported;
        _team = new WorkerTeam(options.Threads);
        _product = new ProductWork(_input, _plan);
        _gated = new GatedWork(_input, _plan);
        _attention = new PagedAttention(options.Threads, Vectors);
        _embed = new EmbedWork(options.Threads);
        string instructions = _machineCode ? "AVX512-VNNI" : AvxVnni.IsSupported ? "AVX-VNNI" : Avx2.IsSupported ? "AVX2" : Vector128.IsHardwareAccelerated ? "128-bit vectors" : "scalar";
        Description = $"cpu ({instructions}, {options.Threads} threads)";
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <summary>Bytes that operations have taken beside the tensors they were given; only grows.</summary>
    internal long ScratchBytes => _input.SizeBytes + _attention.SizeBytes;

    /// <summary>The widest vectors that this processor has, and its compiler uses.</summary>
    internal static VectorWidth Vectors =>
        Vector512.IsHardwareAccelerated ? VectorWidth.Bits512 : Vector256.IsHardwareAccelerated ? VectorWidth.Bits256 : VectorWidth.Bits128;

    /// <inheritdoc/>
    public DeviceWeight LoadMatrix(StoredTensor tensor)
    {
        if (_quantize is not { } wanted || WeightQuantisation.TypeFor(tensor, wanted) is not { } type)
        {
            return CpuMatrix.Load(tensor, _memory, _team, _machineCode);
        }

        using WeightQuantisation quantised = WeightQuantisation.Run(tensor, type, _team);
        return CpuMatrix.Load(quantised.Tensor, _memory, _team, _machineCode);
    }

    /// <inheritdoc/>
    public DeviceWeight LoadTable(StoredTensor tensor) => new CpuTable(tensor);

    /// <inheritdoc/>
    public DeviceWeight LoadVector(StoredTensor tensor, float add = 0)
    {
        var vector = new CpuVector(tensor.Columns);
        Dequantiser.Unpack(tensor.Type, tensor.Data, vector.Data, tensor.Columns);
        for (int i = 0; i < tensor.Columns; i++)
        {
            vector.Data[i] += add;
        }

        return vector;
    }

    /// <inheritdoc/>
    public DeviceTensor Allocate(int maxRows, int columns) => new CpuTensor(maxRows, columns);

    /// <inheritdoc/>
    public DeviceKvStore AllocateKv(KvLayout layout) => new CpuKvStore(layout);

    /// <inheritdoc/>
    public void Embed(DeviceWeight table, ReadOnlySpan<int> tokens, float scale, DeviceTensor output, bool accumulate = false)
    {
        output.Rows = tokens.Length;
        if (_embed.Ids.Length < tokens.Length)
        {
            _embed.Ids = new int[output.MaxRows];
        }

        tokens.CopyTo(_embed.Ids);
        (_embed.Table, _embed.Scale, _embed.Accumulate, _embed.Output) = ((CpuTable)table, scale, accumulate, (CpuTensor)output);
        _team.Run(_embed, tokens.Length);
    }

    /// <inheritdoc/>
    public void LayerNorm(DeviceTensor input, DeviceWeight weight, DeviceWeight bias, float epsilon, DeviceTensor output)
    {
        (_layerNorm.Input, _layerNorm.Weight, _layerNorm.Bias) = ((CpuTensor)input, (CpuVector)weight, (CpuVector)bias);
        (_layerNorm.Epsilon, _layerNorm.Output) = (epsilon, (CpuTensor)output);
        _team.Run(_layerNorm, output.Rows);
    }

    /// <inheritdoc/>
    public void Activate(DeviceTensor x, Activation activation)
    {
        (_activation.Rows, _activation.Activation) = ((CpuTensor)x, activation);
        _team.Run(_activation, x.Rows);
    }

    /// <inheritdoc/>
    public void RmsNorm(DeviceTensor input, DeviceWeight weight, float epsilon, DeviceTensor output)
    {
        (_norm.Input, _norm.Weight, _norm.Epsilon, _norm.Output) = ((CpuTensor)input, (CpuVector)weight, epsilon, (CpuTensor)output);
        _team.Run(_norm, output.Rows);
    }

    /// <inheritdoc/>
    public void Linear(DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceTensor output, bool accumulate = false)
    {
        var product = new Product((CpuMatrix)weight, (CpuVector?)bias, (CpuTensor)output, accumulate);
        _input.Set((CpuTensor)input, output.Rows);
        _input.AddReader(product.Matrix);
        _input.Make(_team);
        _product.Clear();
        _product.Add(product);
        RunStrips(_product, _product.Strips, weight.Columns, output.Rows);
    }

    /// <inheritdoc/>
    public void Project(in NormedRows input, ReadOnlySpan<Projection> projections)
    {
        SetInput(input);
        _product.Clear();
        foreach (Projection projection in projections)
        {
            Product product = ProductOf(projection);
            _input.AddReader(product.Matrix);
            _product.Add(product);
        }

        _input.Make(_team);
        RunStrips(_product, _product.Strips, input.Rows.Columns, input.Rows.Rows);
    }

    /// <inheritdoc/>
    public void ProjectGated(in NormedRows input, in Projection gate, in Projection up, Activation activation)
    {
        (_gated.Gate, _gated.Up, _gated.Activation) = (ProductOf(gate), ProductOf(up), activation);
        SetInput(input);
        _input.AddReader(_gated.Gate.Matrix);
        _input.AddReader(_gated.Up.Matrix);
        _input.Make(_team);
        RunStrips(_gated, _gated.Gate.Strips, 2 * input.Rows.Columns, input.Rows.Rows);
    }

    /// <inheritdoc/>
    public void RopeAndStore(DeviceTensor query, DeviceTensor key, DeviceTensor value, Rope rope, DeviceKvStore kv, int layer, Batch batch)
    {
        (_rope.Query, _rope.Key, _rope.Value, _rope.Rope) = ((CpuTensor)query, (CpuTensor)key, (CpuTensor)value, rope);
        (_rope.Kv, _rope.Layer, _rope.Batch) = ((CpuKvStore)kv, layer, batch);
        _team.Run(_rope, batch.Rows);
    }

    /// <inheritdoc/>
    public void Attention(DeviceTensor query, DeviceKvStore kv, int layer, Batch batch, in AttentionParameters parameters, DeviceTensor output)
    {
        int chunks = _attention.Prepare((CpuTensor)query, (CpuKvStore)kv, layer, batch, parameters, (CpuTensor)output);
        _team.Run(_attention, chunks);
    }

    /// <inheritdoc/>
    public void AddNormed(DeviceTensor accumulator, DeviceTensor addend, DeviceWeight norm, float epsilon)
    {
        (_addNormed.Accumulator, _addNormed.Addend) = ((CpuTensor)accumulator, (CpuTensor)addend);
        (_addNormed.Weight, _addNormed.Epsilon) = ((CpuVector)norm, epsilon);
        _team.Run(_addNormed, accumulator.Rows);
    }

    /// <inheritdoc/>
    public void ScaleAndCap(DeviceTensor x, float scale, float cap)
    {
        for (int row = 0; row < x.Rows; row++)
        {
            RowOperations.ScaleAndCap(((CpuTensor)x).Row(row), x.Columns, scale, cap);
        }
    }

    /// <inheritdoc/>
    public void Gather(DeviceTensor input, ReadOnlySpan<int> rows, DeviceTensor output)
    {
        var target = (CpuTensor)output;
        target.Rows = rows.Length;
        for (int row = 0; row < rows.Length; row++)
        {
            new ReadOnlySpan<float>(((CpuTensor)input).Row(rows[row]), target.Columns).CopyTo(new Span<float>(target.Row(row), target.Columns));
        }
    }

    /// <inheritdoc/>
    public void CopyBlock(DeviceKvStore kv, int source, int destination) => ((CpuKvStore)kv).CopyBlock(source, destination);

    /// <inheritdoc/>
    public ReadOnlySpan<float> Read(DeviceTensor tensor) => new(((CpuTensor)tensor).Data, checked(tensor.Rows * tensor.Columns));

    public void Dispose()
    {
        _team.Dispose();
        _attention.Dispose();
        _input.Dispose();
    }

    private static Product ProductOf(Projection projection) =>
        new((CpuMatrix)projection.Weight, (CpuVector?)projection.Bias, (CpuTensor)projection.Output, Accumulate: false);

    private void SetInput(in NormedRows input)
    {
        if (input.Norm is { } norm)
        {
            _input.Set((CpuTensor)input.Rows, input.Rows.Rows, (CpuVector)norm, input.Epsilon, (CpuTensor)input.Scratch);
        }
        else
        {
            _input.Set((CpuTensor)input.Rows, input.Rows.Rows);
        }
    }

    private void RunStrips(ParallelWork work, int strips, int columns, int rows)
    {
        int smallest = Math.Max(1, SmallestChunkWeights / (columns * Product.StripRows));
        int share = rows < ManyRows ? strips / (2 * _team.Size) : strips / (8 * _team.Size);
        _plan.Cut(strips, _team.Size, smallest, Math.Max(smallest, share));
        _team.Run(work, _plan.Count);
    }
}
