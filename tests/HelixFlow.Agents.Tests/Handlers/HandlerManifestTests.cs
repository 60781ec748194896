using System.Text;
using HelixFlow.Agents.Handlers;

namespace HelixFlow.Agents.Tests.Handlers;

public sealed class HandlerManifestTests : IDisposable
{
    private const string Whole = """
        {
          // what it is for
          "name": "thumbnails", "description": "Makes small pictures.", "command": ["python3", "thumbnails.py"],
          "input_schema": {"type": "object"}, "output_schema": {"type": "object"},
          "concurrency": 2, "memory_mb": 256, "time_limit_seconds": 1.5, "env": {"QUALITY": "80"}, "max_attempts": 5, "backoff_ms": 10,
        }
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-manifests-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_folder_has_manifests_in_files_and_in_folders_of_their_own()
    {
        Write("a.json", Whole);
        Write("notes.txt", "nothing");
        Directory.CreateDirectory(Path.Combine(_folder, "ocr"));
        Write("ocr/handler.json", """{"name": "ocr", "command": ["./ocr"]}""");
        IReadOnlyList<HandlerManifest> manifests = HandlerManifest.ReadFolder(_folder);

        Assert.Equal(["thumbnails", "ocr"], manifests.Select(static manifest => manifest.Name));
        HandlerManifest whole = manifests[0];
        Assert.Equal((2, 256, 1.5, 5, 10L, "80", _folder), (whole.Concurrency, whole.MemoryMb, whole.TimeLimitSeconds, whole.MaxAttempts, whole.BackoffMs, whole.Env["QUALITY"], whole.Folder));
        Assert.Equal((1, 512, 600d, 3, Path.Combine(_folder, "ocr")), (manifests[1].Concurrency, manifests[1].MemoryMb, manifests[1].TimeLimitSeconds, manifests[1].MaxAttempts, manifests[1].Folder));
    }

    [Theory]
    [InlineData("""{"command": ["a"]}""", "name")]
    [InlineData("""{"name": "a"}""", "command")]
    [InlineData("""{"name": "", "command": ["a"]}""", "'name' must have 1 to 200 characters")]
    [InlineData("""{"name": "a", "command": []}""", "'command' names no program")]
    [InlineData("""{"name": "a", "command": ["a"], "memory": 5}""", "memory")]
    [InlineData("""{"name": "a", "command": ["a"], "memory_mb": 0}""", "'memory_mb' must be between")]
    [InlineData("""{"name": "a", "command": ["a"], "concurrency": 0}""", "'concurrency' must be between")]
    [InlineData("""{"name": "a", "command": ["a"], "time_limit_seconds": 0}""", "'time_limit_seconds' must be above 0")]
    [InlineData("""{"name": "a", "command": ["a"], "max_attempts": 0}""", "'max_attempts' must be between")]
    [InlineData("""{"name": "a", "command": ["a"], "input_schema": {"type": "colour"}}""", "schema")]
    [InlineData("""{"name": "a", "name": "b", "command": ["a"]}""", "name")]
    [InlineData("null", "null")]
    [InlineData("", "JSON")]
    public void A_manifest_that_is_wrong_is_refused_with_its_file_and_the_reason(string text, string reason)
    {
        Write("bad.json", text);

        string said = Assert.Throws<InvalidDataException>(() => HandlerManifest.ReadFolder(_folder)).Message;
        Assert.StartsWith(Path.Combine(_folder, "bad.json"), said, StringComparison.Ordinal);
        Assert.Contains(reason, said, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_handlers_may_not_have_one_name()
    {
        Write("a.json", """{"name": "x", "command": ["a"]}""");
        Write("b.json", """{"name": "x", "command": ["b"]}""");

        Assert.Contains("a.json has a handler 'x' too", Assert.Throws<InvalidDataException>(() => HandlerManifest.ReadFolder(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_that_was_damaged_is_read_or_refused_and_nothing_else()
    {
        for (int seed = 0; seed < 2_000; seed++)
        {
            var random = new Random(seed);
            byte[] text = Encoding.UTF8.GetBytes(Whole);
            for (int i = random.Next(4); i >= 0; i--)
            {
                text[random.Next(text.Length)] = (byte)random.Next(256);
            }

            File.WriteAllBytes(Path.Combine(_folder, "a.json"), text[..random.Next(text.Length / 2, text.Length + 1)]);
            try
            {
                Assert.NotEmpty(HandlerManifest.ReadFolder(_folder)[0].Command);
            }
            catch (InvalidDataException exception)
            {
                Assert.Contains("a.json", exception.Message, StringComparison.Ordinal);
            }
        }
    }

    private void Write(string file, string text) => File.WriteAllText(Path.Combine(_folder, file), text);
}
