namespace HelixFlow.Engine.Backends;

/// <summary>
/// A device that runs the operations a decoder is made of. Everything a model needs is written as calls of these methods;
/// intrinsics, P/Invoke and kernels live behind them and nowhere else.
/// </summary>
/// <remarks>
/// <para>Activations are float32 matrices [rows, columns], one row per token of the batch. Operations run in call order; a result may be
/// read through <see cref="Read"/> only. An operation's <c>rows</c> is the output tensor's current <see cref="DeviceTensor.Rows"/>.</para>
/// <para>Not thread-safe: one engine thread owns a backend. Loading weights may use all of the device's own workers.</para>
/// <para>Tensors and weights are the backend's own; passing another backend's is a bug and throws <see cref="InvalidCastException"/>.</para>
/// </remarks>
public interface IBackend : IWeightTarget, IDisposable
{
    /// <summary>For example "cpu (AVX-512, 2 threads)".</summary>
    string Description { get; }

    /// <summary>An activation buffer for up to <paramref name="maxRows"/> rows; its contents are undefined.</summary>
    DeviceTensor Allocate(int maxRows, int columns);

    /// <summary>Storage for the keys and values of all layers.</summary>
    DeviceKvStore AllocateKv(KvLayout layout);

    /// <summary>
    /// output[i] = table[tokens[i]] * scale, or output[i] += ... when <paramref name="accumulate"/>; sets output.Rows to the number of tokens.
    /// </summary>
    void Embed(DeviceWeight table, ReadOnlySpan<int> tokens, float scale, DeviceTensor output, bool accumulate = false);

    /// <summary>
    /// Normalises rows: (x - mean) / sqrt(variance + epsilon) * weight + bias (Ba, Kiros and Hinton 2016). input and output may be the same tensor.
    /// </summary>
    void LayerNorm(DeviceTensor input, DeviceWeight weight, DeviceWeight bias, float epsilon, DeviceTensor output);

    /// <summary>x = activation(x).</summary>
    void Activate(DeviceTensor x, Activation activation);

    /// <summary>
    /// Root-mean-square norm of every group of weight.Columns consecutive elements: x / sqrt(mean(x^2) + epsilon) * weight. With a weight as long as
    /// a row this is a layer norm; with a head-sized weight it normalises each head. input and output may be the same tensor.
    /// </summary>
    void RmsNorm(DeviceTensor input, DeviceWeight weight, float epsilon, DeviceTensor output);

    /// <summary>output = input * weight^T (+ bias), or output += ... when <paramref name="accumulate"/> (a residual connection).</summary>
    void Linear(DeviceTensor input, DeviceWeight weight, DeviceWeight? bias, DeviceTensor output, bool accumulate = false);

    /// <summary>
    /// Normalises rows and multiplies them by several matrices: each output = norm(rows) * weight^T (+ bias). One operation, so that rows are prepared
    /// once and the matrices are read as one long run.
    /// </summary>
    void Project(in NormedRows input, ReadOnlySpan<Projection> projections);

    /// <summary>
    /// gate.Output = activation(norm(rows) * gate^T) * (norm(rows) * up^T), with each product's bias: the first half of a feed-forward layer.
    /// up.Output is undefined afterwards.
    /// </summary>
    void ProjectGated(in NormedRows input, in Projection gate, in Projection up, Activation activation);

    /// <summary>
    /// Rotates queries and keys in place by their positions and writes keys and values to the batch's slots of <paramref name="layer"/>.
    /// query is [rows, heads * headSize], key and value are [rows, kvHeads * headSize].
    /// </summary>
    void RopeAndStore(DeviceTensor query, DeviceTensor key, DeviceTensor value, Rope rope, DeviceKvStore kv, int layer, Batch batch);

    /// <summary>
    /// Attention of every row over its own sequence's cached positions (those of this batch included) up to its own, or over all of them when
    /// <see cref="AttentionParameters.SeesAll"/> is set; grouped queries.
    /// output is [rows, heads * headSize].
    /// </summary>
    void Attention(DeviceTensor query, DeviceKvStore kv, int layer, Batch batch, in AttentionParameters parameters, DeviceTensor output);

    /// <summary>accumulator += norm(addend), as <see cref="RmsNorm"/>; the addend is undefined afterwards.</summary>
    void AddNormed(DeviceTensor accumulator, DeviceTensor addend, DeviceWeight norm, float epsilon);

    /// <summary>x = cap * tanh(x * scale / cap) when cap &gt; 0, else x * scale; for final logits (Gemma 2 soft cap, scaled logits).</summary>
    void ScaleAndCap(DeviceTensor x, float scale, float cap);

    /// <summary>output[i] = input[rows[i]]; sets output.Rows. Picks the rows whose logits are wanted.</summary>
    void Gather(DeviceTensor input, ReadOnlySpan<int> rows, DeviceTensor output);

    /// <summary>Copies a block's keys and values of all layers (copy-on-write of a shared block).</summary>
    void CopyBlock(DeviceKvStore kv, int source, int destination);

    /// <summary>The tensor's rows as host memory [Rows * Columns]; waits for the operations before it; valid until the next operation.</summary>
    ReadOnlySpan<float> Read(DeviceTensor tensor);
}

/// <summary>The rows that a projection reads: normalised first, or as they are.</summary>
/// <param name="Rows">The rows; not changed.</param>
/// <param name="Norm">The norm's weight, as long as a row; null for rows that are read as they are.</param>
/// <param name="Epsilon">See <see cref="IBackend.RmsNorm"/>.</param>
/// <param name="Scratch">As large as the rows: where a backend may keep their norm; undefined afterwards.</param>
public readonly record struct NormedRows(DeviceTensor Rows, DeviceWeight? Norm, float Epsilon, DeviceTensor Scratch);

/// <summary>A product with a matrix: output = rows * weight^T (+ bias).</summary>
public readonly record struct Projection(DeviceWeight Weight, DeviceWeight? Bias, DeviceTensor Output);

/// <summary>How a feed-forward layer, or the gate of one, is activated.</summary>
public enum Activation
{
    /// <summary>x * sigmoid(x): Llama, Mistral, Qwen, Phi-3.</summary>
    Silu,

    /// <summary>The tanh approximation of GELU: Gemma.</summary>
    GeluTanh,

    /// <summary>GELU itself, x * Φ(x): BERT.</summary>
    GeluErf,

    /// <summary>The hyperbolic tangent: classification heads.</summary>
    Tanh,
}

/// <summary>What an attention operation needs besides its tensors.</summary>
/// <param name="Heads">Query heads; a multiple of the layout's kvHeads.</param>
/// <param name="Scale">Multiplies q.k, usually 1/sqrt(headSize).</param>
/// <param name="SoftCap">Soft cap of the scores (Gemma 2); 0 for none.</param>
/// <param name="Window">A row sees at most this many positions, its own included; 0 for all.</param>
public readonly record struct AttentionParameters(int Heads, float Scale, float SoftCap, int Window)
{
    /// <summary>Rows see the positions after their own, too, up to the batch's last of their sequence; without a window.</summary>
    public bool SeesAll { get; init; }
}
