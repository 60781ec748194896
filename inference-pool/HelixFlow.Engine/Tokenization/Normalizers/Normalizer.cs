namespace HelixFlow.Engine.Tokenization.Normalizers;

/// <summary>Changes a text before it is split. Implementations are immutable and thread-safe.</summary>
internal abstract class Normalizer
{
    /// <summary>The changed text; the same instance when nothing changes.</summary>
    public abstract string Normalize(string text);

    /// <summary>No normalised text holds this; false where that is not known.</summary>
    public virtual bool Removes(string literal) => false;
}
