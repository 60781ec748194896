namespace HelixFlow.Engine.Execution;

internal sealed class Generation;
