using Npgsql;

namespace HelixFlow.Storage;

/// <summary>Reads where a PostgreSQL database is.</summary>
public static class PostgresAddress
{
    private static readonly string[] _schemes = ["postgres", "postgresql"];

    /// <summary>A connection string of Npgsql's, from one or from a URL like <c>postgres://user:password@host:5432/database?sslmode=require</c>.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static string Parse(string given)
    {
        if (!given.Contains("://", StringComparison.Ordinal))
        {
            return Checked(given, static text => new NpgsqlConnectionStringBuilder(text));
        }

        return Uri.TryCreate(given, UriKind.Absolute, out Uri? url) && _schemes.Contains(url.Scheme) && url.AbsolutePath.Length > 1
            ? Checked(given, _ => OfUrl(url))
            : throw Unusable();
    }

    private static NpgsqlConnectionStringBuilder OfUrl(Uri url)
    {
        string[] user = url.UserInfo.Split(':', 2);
        var settings = new NpgsqlConnectionStringBuilder { Host = url.Host, Database = Uri.UnescapeDataString(url.AbsolutePath[1..]) };
        if (url.Port > 0)
        {
            settings.Port = url.Port;
        }

        if (user[0].Length > 0)
        {
            settings.Username = Uri.UnescapeDataString(user[0]);
        }

        if (user.Length == 2)
        {
            settings.Password = Uri.UnescapeDataString(user[1]);
        }

        foreach (string parameter in url.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] pair = parameter.Split('=', 2);
            string value = pair.Length == 2 ? Uri.UnescapeDataString(pair[1]) : "";
            bool isSslMode = pair[0] == "sslmode"; // "verify-full" in URLs, VerifyFull here
            settings[isSslMode ? "SSL Mode" : Uri.UnescapeDataString(pair[0])] = isSslMode ? value.Replace("-", "", StringComparison.Ordinal) : value;
        }

        return settings;
    }

    private static string Checked(string given, Func<string, NpgsqlConnectionStringBuilder> read)
    {
        try
        {
            NpgsqlConnectionStringBuilder settings = read(given);
            return !string.IsNullOrEmpty(settings.Host) && !string.IsNullOrEmpty(settings.Database) ? settings.ConnectionString : throw Unusable();
        }
        catch (ArgumentException exception)
        {
            throw new FormatException($"The address of the database: {exception.Message}", exception);
        }
    }

    // It is not repeated: it may hold a password.
    private static FormatException Unusable() => new(
        "The address of the database must be postgres://user:password@host:5432/database, or a connection string with Host and Database.");
}
