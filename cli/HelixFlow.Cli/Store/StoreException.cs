namespace HelixFlow.Cli.Store;

/// <summary>A model name or path cannot be used; the message is for the person at the terminal.</summary>
internal sealed class StoreException(string message) : Exception(message);
