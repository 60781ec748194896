using Microsoft.Extensions.Logging;

namespace HelixFlow.InferenceNode.Hosting;

/// <summary>The messages of <see cref="ModelHost{TModel}"/>, which as a generic type cannot hold them.</summary>
internal static partial class ModelHostLog
{
    [LoggerMessage(2010, LogLevel.Information, "Loading {Model} onto {Device}")]
    public static partial void Loading(ILogger logger, string model, string device);

    [LoggerMessage(2011, LogLevel.Information, "Loaded {Model} onto {Device} in {Milliseconds:F0} ms")]
    public static partial void Loaded(ILogger logger, string model, string device, double milliseconds);

    [LoggerMessage(2012, LogLevel.Error, "Loading {Model} onto {Device} failed")]
    public static partial void LoadFailed(ILogger logger, string model, string device, Exception exception);

    [LoggerMessage(2013, LogLevel.Information, "Loading {Model} onto {Device} was stopped")]
    public static partial void LoadStopped(ILogger logger, string model, string device);

    [LoggerMessage(2014, LogLevel.Information, "{Model} leaves {Device} to make room for {Newcomer}")]
    public static partial void Evicting(ILogger logger, string model, string device, string newcomer);

    [LoggerMessage(2015, LogLevel.Information, "Unloaded {Model} from {Device}")]
    public static partial void Unloaded(ILogger logger, string model, string device);

    [LoggerMessage(2016, LogLevel.Warning, "Unloading {Model} from {Device} failed; its memory may not be free")]
    public static partial void UnloadFailed(ILogger logger, string model, string device, Exception exception);
}
