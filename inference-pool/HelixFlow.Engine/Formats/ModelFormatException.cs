namespace HelixFlow.Engine.Formats;

/// <summary>A model file is truncated, corrupt, hostile or of an unsupported kind.</summary>
/// <remarks>The message names the file, the byte offset where one applies, what was found and what would be right.</remarks>
public sealed class ModelFormatException : Exception
{
    public ModelFormatException(string path, long? offset, string reason, Exception? innerException = null)
        : base(offset is { } at ? $"{path}: at byte {at}: {reason}" : $"{path}: {reason}", innerException)
    {
        Path = path;
        Offset = offset;
    }

    public string Path { get; }

    /// <summary>Where in the file the problem is; null when it is not at one place.</summary>
    public long? Offset { get; }
}
