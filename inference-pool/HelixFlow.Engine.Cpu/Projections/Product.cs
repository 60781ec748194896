using HelixFlow.Engine.Cpu.Matrices;
using HelixFlow.Engine.Cpu.Memory;

namespace HelixFlow.Engine.Cpu.Projections;

/// <summary>One matrix of a projection, which is shared out in strips of 16 outputs.</summary>
internal readonly record struct Product(CpuMatrix Matrix, CpuVector? Bias, CpuTensor Output, bool Accumulate)
{
    /// <summary>Outputs of a strip: what kernels take together.</summary>
    public const int StripRows = 16;

    private const int StripGroups = StripRows / CpuMatrix.GroupRows;

    public int Strips => (Matrix.Rows + StripRows - 1) / StripRows;

    /// <summary>Computes the outputs of some strips for all rows.</summary>
    public void Multiply(ProductInput input, int firstStrip, int endStrip)
    {
        int groups = (Matrix.Rows + CpuMatrix.GroupRows - 1) / CpuMatrix.GroupRows;
        Matrix.Multiply(
            input.Floats, input.Quantised(Matrix), Bias, Output, Accumulate, firstStrip * StripGroups, Math.Min(endStrip * StripGroups, groups));
    }
}
