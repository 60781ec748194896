using HelixFlow.Schemas.Auth.V1;

namespace HelixFlow.Auth.Tests;

public sealed class AdminKeyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-auth-").FullName;

    private string KeyFile => Path.Combine(_folder, AdminKey.FileName);

    [Fact]
    public void The_first_start_makes_a_key_and_later_starts_find_it()
    {
        AdminKey first = AdminKey.LoadOrCreate(_folder, given: null);
        AdminKey second = AdminKey.LoadOrCreate(_folder, given: "");

        Assert.True(first.IsNew);
        Assert.False(second.IsNew);
        Assert.Equal(first.Value, second.Value);
        Assert.Equal(first.Value, AdminKey.Find(_folder));
        Assert.Matches("^hx-[0-9a-f]{64}$", first.Value);
    }

    [Fact]
    public void The_stored_key_is_its_owners_alone()
    {
        AdminKey.LoadOrCreate(_folder, given: null);

        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        }

        Assert.Equal([KeyFile], Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_given_key_counts_and_is_not_stored()
    {
        AdminKey key = AdminKey.LoadOrCreate(_folder, " chosen ");

        Assert.Equal(new AdminKey("chosen", IsNew: false), key);
        Assert.False(File.Exists(KeyFile));
        Assert.Null(AdminKey.Find(_folder));
    }

    [Fact]
    public void Starts_at_the_same_moment_agree_on_one_key()
    {
        for (int round = 0; round < 20; round++)
        {
            string folder = Path.Combine(_folder, $"round-{round}");
            var keys = new AdminKey[8];
            Parallel.For(0, keys.Length, i => keys[i] = AdminKey.LoadOrCreate(folder, given: null));

            Assert.Single(keys.Select(key => key.Value).Distinct());
            Assert.Single(keys, key => key.IsNew);
            Assert.Single(Directory.GetFiles(folder));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("hx-123")]
    [InlineData("something else entirely")]
    public void A_damaged_file_is_refused_by_name(string content)
    {
        AdminKey.LoadOrCreate(_folder, given: null);
        File.WriteAllText(KeyFile, content);

        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => AdminKey.LoadOrCreate(_folder, given: null));

        Assert.Contains(KeyFile, exception.Message, StringComparison.Ordinal);
        Assert.Null(AdminKey.Find(_folder));
    }

    [Fact]
    public void A_file_that_others_may_read_is_refused()
    {
        AdminKey.LoadOrCreate(_folder, given: null);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        }

        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => AdminKey.LoadOrCreate(_folder, given: null));

        Assert.Contains("chmod 600", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_is_printed_shows_nothing_of_itself() =>
        Assert.DoesNotContain("chosen", $"{new AdminKey("chosen", IsNew: true)}", StringComparison.Ordinal);

    [Theory]
    [InlineData("right", true)]
    [InlineData("Right", false)]
    [InlineData("right ", false)]
    [InlineData("", false)]
    public async Task Only_the_very_key_has_a_principal(string sent, bool valid)
    {
        var authority = new AdminKeyAuthority(new AdminKey("right", IsNew: false));

        VerifyKeyResponse response = await authority.VerifyKeyAsync(new VerifyKeyRequest { Key = sent }, CancellationToken.None);

        Assert.Equal(valid, response.Principal is not null);
        Assert.Equal(valid ? ["inference", "admin", "worker"] : [], response.Principal?.Scopes ?? []);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
