namespace HelixFlow.Agents.Hints;

/// <summary>Reads where a RabbitMQ broker is.</summary>
public static class RabbitAddress
{
    /// <summary>An address like <c>amqp://user:password@host:5672/vhost</c>; <c>amqps</c> is TLS, whose certificate is checked. Without a virtual host it is <c>/</c>.</summary>
    /// <exception cref="FormatException">It is no such address. The message does not repeat it, as it may hold a password.</exception>
    public static Uri Parse(string given) =>
        Uri.TryCreate(given, UriKind.Absolute, out Uri? address)
        && address.Scheme is "amqp" or "amqps" && address.Host.Length > 0 && address.UserInfo.Count(static letter => letter == ':') <= 1 && address.Query.Length == 0 && address.Fragment.Length == 0 && address.Segments.Length <= 2
            ? address
            : throw new FormatException("The address of the broker must be amqp://user:password@host:5672/vhost, or amqps:// with TLS; a slash in the virtual host's name is %2f.");
}
