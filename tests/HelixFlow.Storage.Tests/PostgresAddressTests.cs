using Npgsql;

namespace HelixFlow.Storage.Tests;

/// <summary>Addresses of databases, as operators write them.</summary>
public sealed class PostgresAddressTests
{
    [Theory]
    [InlineData("postgres://me:p%40ss%3A1@db.example:5433/helix", "db.example", 5433, "me", "p@ss:1", "helix")]
    [InlineData("postgresql://db/helix", "db", 5432, null, null, "helix")]
    [InlineData("Host=db;Database=helix;Username=me;Password=a;Port=6", "db", 6, "me", "a", "helix")]
    public void A_url_and_a_connection_string_say_the_same(string given, string host, int port, string? user, string? password, string database)
    {
        var settings = new NpgsqlConnectionStringBuilder(PostgresAddress.Parse(given));

        Assert.Equal((host, port, user, password, database), (settings.Host, settings.Port, settings.Username, settings.Password, settings.Database));
    }

    [Fact]
    public void Parameters_of_a_url_are_settings()
    {
        var settings = new NpgsqlConnectionStringBuilder(PostgresAddress.Parse("postgres://db/helix?sslmode=verify-full&Application%20Name=a%26b"));

        Assert.Equal((SslMode.VerifyFull, "a&b"), (settings.SslMode, settings.ApplicationName));
    }

    [Theory]
    [InlineData("")]
    [InlineData("mysql://me:secret@db/helix")]
    [InlineData("postgres://me:secret@db")]
    [InlineData("postgres://me:secret@db/helix?no-such-thing=1")]
    [InlineData("postgres://me:secret@db/helix?sslmode=maybe")]
    [InlineData("Host=db;Password=secret")]
    [InlineData("secret")]
    public void Anything_else_is_refused_without_repeating_it(string given)
    {
        FormatException refusal = Assert.Throws<FormatException>(() => PostgresAddress.Parse(given));

        Assert.DoesNotContain("secret", refusal.Message, StringComparison.Ordinal);
    }
}
