using System.Runtime.InteropServices;
using HelixFlow.Engine.Cpu.Threads;

namespace HelixFlow.Engine.Cpu.Projections;

/// <summary>Multiplies the same rows by one matrix or several: a chunk is a run of strips, counted through all matrices.</summary>
internal sealed class ProductWork(ProductInput input, ChunkPlan plan) : ParallelWork
{
    private readonly List<Product> _products = [];

    /// <summary>Strips of all matrices.</summary>
    public int Strips { get; private set; }

    public void Clear()
    {
        _products.Clear();
        Strips = 0;
    }

    public void Add(Product product)
    {
        _products.Add(product);
        Strips += product.Strips;
    }

    public override void Run(int chunk, int worker)
    {
        (int first, int end) = plan[chunk];
        foreach (ref readonly Product product in CollectionsMarshal.AsSpan(_products))
        {
            int strips = product.Strips;
            if (first < strips && end > 0)
            {
                product.Multiply(input, Math.Max(first, 0), Math.Min(end, strips));
            }

            (first, end) = (first - strips, end - strips);
        }
    }
}
