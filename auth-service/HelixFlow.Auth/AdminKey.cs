using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace HelixFlow.Auth;

/// <summary>The key that may do everything: made at the first start, kept in the data folder for its owner only.</summary>
/// <param name="Value">The bearer key.</param>
/// <param name="IsNew">Whether it was made just now and should be shown to the operator once.</param>
public sealed partial record AdminKey(string Value, bool IsNew)
{
    /// <summary>Sets the admin key instead of a stored one.</summary>
    public const string EnvironmentVariable = "HELIXFLOW_API_KEY";

    /// <summary>The file in the data folder.</summary>
    public const string FileName = "admin-key";

    private const string Prefix = "hx-";

    private const int KeyDigits = 64;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>The key given by the operator, else the stored one, else a new one that is stored first.</summary>
    /// <param name="dataFolder">Made when it does not exist.</param>
    /// <param name="given">The value of <see cref="EnvironmentVariable"/>; null or empty for none. It is not stored.</param>
    /// <exception cref="InvalidDataException">The stored file holds no key, or others may read it.</exception>
    /// <exception cref="IOException">The data folder cannot be written.</exception>
    public static AdminKey LoadOrCreate(string dataFolder, string? given)
    {
        if (!string.IsNullOrWhiteSpace(given))
        {
            return new AdminKey(given.Trim(), IsNew: false);
        }

        Directory.CreateDirectory(dataFolder);
        string path = Path.Combine(dataFolder, FileName);
        if (!File.Exists(path))
        {
            string made = Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(KeyDigits / 2));
            try
            {
                WriteDurably(path, made);
                return new AdminKey(made, IsNew: true);
            }
            catch (IOException) when (File.Exists(path))
            {
                // Another first start was faster; its key counts.
            }
        }

        return new AdminKey(Read(path), IsNew: false);
    }

    /// <summary>The stored key, for clients on the same machine; null when there is none that this user may read.</summary>
    public static string? Find(string dataFolder)
    {
        try
        {
            return Read(Path.Combine(dataFolder, FileName));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>Leaves the key out, so that no log or message can hold it.</summary>
    public override string ToString() => $"{nameof(AdminKey)} {{ {nameof(IsNew)} = {IsNew} }}";

    private static string Read(string path)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~OwnerOnly) != 0)
        {
            throw new InvalidDataException($"{path}: others may read the admin key; run 'chmod 600 {path}', or delete the file to have a new key made");
        }

        string key = File.ReadAllText(path).Trim();
        return key.StartsWith(Prefix, StringComparison.Ordinal) && key.Length == Prefix.Length + KeyDigits
            ? key
            : throw new InvalidDataException($"{path}: holds no admin key ({Prefix} and {KeyDigits} hexadecimal digits are expected); delete the file to have a new one made");
    }

    // The file gets its name when it is whole, so that nobody reads half a key. Giving the name is what decides between several first starts: only one can.
    private static void WriteDurably(string path, string key)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        string unnamed = $"{path}.{Guid.NewGuid():N}";
        try
        {
            using (var stream = new FileStream(unnamed, options))
            {
                stream.Write(System.Text.Encoding.ASCII.GetBytes(key + "\n"));
                stream.Flush(flushToDisk: true);
            }

            GiveName(unnamed, path);
        }
        finally
        {
            File.Delete(unnamed);
        }
    }

    // File.Move looks whether the name is taken and then renames, which another start can come between; a link is made or refused at once.
    private static void GiveName(string unnamed, string path)
    {
        if (!OperatingSystem.IsWindows() && Link(unnamed, path) == 0)
        {
            return;
        }

        File.Move(unnamed, path, overwrite: false); // Windows, file systems without links, and the name that is taken
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string name);
}
