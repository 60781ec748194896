namespace HelixFlow.Cli.Bench;

/// <summary>A measurement cannot be made, with a message for the user.</summary>
internal sealed class BenchException(string message, Exception? innerException = null) : Exception(message, innerException);
