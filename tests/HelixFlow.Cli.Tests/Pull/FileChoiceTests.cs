using System.Text;
using HelixFlow.Cli.Pull;

namespace HelixFlow.Cli.Tests.Pull;

public sealed class FileChoiceTests
{
    [Fact]
    public void Single_safetensors_file_comes_with_its_side_files()
    {
        Assert.Equal(
            ["config.json", "tokenizer.json", "model.safetensors"],
            Choose(
                ".gitattributes", "README.md", "config.json", "model.safetensors", "tokenizer.json",
                "original/model.safetensors", "onnx/tokenizer.json"));
    }

    [Fact]
    public void Shards_come_with_their_index_and_without_other_formats()
    {
        Assert.Equal(
            ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            Choose(
                "config.json", "consolidated.safetensors", "model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors",
                "model.safetensors.index.json", "pytorch_model.bin", "model-q4.gguf"));
    }

    [Fact]
    public void Gguf_is_chosen_by_quantisation_pattern_or_habit()
    {
        string[] files = ["README.md", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m.Q8_0.gguf", "sub/m-BF16.gguf", "mmproj-m-F16.gguf"];

        Assert.Equal(["m-Q4_K_M.gguf"], Choose(files));
        Assert.Equal(["m.Q8_0.gguf"], Choose(files, quantisation: "q8_0"));
        Assert.Equal(["m-Q4_K_S.gguf"], Choose(files, pattern: "*K_S*"));
        Assert.Equal(["sub/m-BF16.gguf"], Choose(files, pattern: "m-BF16.gguf"));
        Assert.Equal(["sub/m-BF16.gguf"], Choose(files, pattern: "sub/*"));
        Assert.Equal(["only.gguf"], Choose("only.gguf"));
        Assert.Equal(["m-Q8_0.gguf"], Choose(["config.json", "model.safetensors", "m-Q8_0.gguf"], quantisation: "Q8_0"));
    }

    [Fact]
    public void Unclear_choice_lists_the_candidates()
    {
        Explains(
            "several GGUF files fit without a choice; choose one with --file or --quant: a-Q8_0.gguf (2.0 GB), b-Q6_K.gguf (2.0 GB)",
            ["a-Q8_0.gguf", "b-Q6_K.gguf"]);
        Explains("no GGUF file fits 'Q4_K'; the repository has a-Q4_K_M.gguf", ["a-Q4_K_M.gguf"], quantisation: "Q4_K");
        Explains("no GGUF file fits 'x*'", ["a-Q4_K_M.gguf"], pattern: "x*");
        Explains("several GGUF files fit 'Q8_0'", ["a-Q8_0.gguf", "b-Q8_0.gguf"], quantisation: "Q8_0");
        Explains("is one part of a split model", ["a-Q8_0-00001-of-00002.gguf"]);
        Explains("no GGUF file, and no config.json with .safetensors", ["README.md", "model.safetensors", "pytorch_model.bin"]);
    }

    [Theory]
    [InlineData("../evil.gguf")]
    [InlineData("/etc/evil.gguf")]
    [InlineData("a//evil.gguf")]
    [InlineData("..\\evil.gguf")]
    [InlineData("C:evil.gguf")]
    [InlineData("a/./evil.gguf")]
    [InlineData("evil\n.gguf")]
    public void Names_that_could_leave_the_folder_are_refused(string path) => Explains("is not a safe name", [path]);

    [Fact]
    public void Listing_gives_sizes_digests_and_the_commit()
    {
        string sha256 = new('a', 64);
        HubListing listing = HubListing.Parse(
            Encoding.UTF8.GetBytes(
                $$"""
                {"sha":"c0ffee","siblings":[
                  {"rfilename":"w.gguf","size":12,"blobId":"x","lfs":{"sha256":"{{sha256}}","size":12,"pointerSize":130} },
                  {"rfilename":"config.json","size":3,"blobId":"{{new string('b', 40)}}"},
                  {"rfilename":"odd","size":null,"blobId":7}]}
                """),
            "main");

        Assert.Equal("c0ffee", listing.Commit);
        Assert.Equal(new HubFile("w.gguf", 12, new ContentHash(HashKind.Sha256, sha256)), listing.Files[0]);
        Assert.Equal(new HubFile("config.json", 3, new ContentHash(HashKind.GitBlob, new string('b', 40))), listing.Files[1]);
        Assert.Equal(new HubFile("odd", null, null), listing.Files[2]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"siblings\":7}")]
    [InlineData("{\"siblings\":[7]}")]
    [InlineData("{\"siblings\":[{}]}")]
    [InlineData("{\"siblings\":[{\"rfilename\":7}]}")]
    [InlineData("{\"siblings\":[{\"rfilename\":\"\\ud800\"}]}")]
    [InlineData("<html>")]
    public void Answer_that_is_no_listing_is_refused(string json) =>
        Assert.Throws<PullException>(() => HubListing.Parse(Encoding.UTF8.GetBytes(json), "main"));

    [Fact]
    public void Damaged_listings_are_refused_or_give_safe_names()
    {
        const int Seed = 40;
        byte[] valid = Encoding.UTF8.GetBytes(
            """
            {"sha":"c0ffee","siblings":[
            {"rfilename":"a/b-Q4_K_M.gguf","size":12,"lfs":{"sha256":"00"}},{"rfilename":"c.gguf","size":3,"blobId":"x"}]}
            """);
        var random = new Random(Seed);
        int chosen = 0;
        for (int round = 0; round < 5000; round++)
        {
            byte[] damaged = [.. valid];
            for (int i = random.Next(1, 5); i > 0; i--)
            {
                damaged[random.Next(damaged.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)"/.:\\\"{}[],0"[random.Next(11)];
            }

            try
            {
                foreach (HubFile file in FileChoice.Choose(HubListing.Parse(damaged, "main").Files, null, null))
                {
                    chosen++;
                    string target = Path.GetFullPath(Path.Combine("/store", file.Path));
                    Assert.True(target.StartsWith("/store/", StringComparison.Ordinal), $"seed {Seed}, round {round}: {file.Path}");
                }
            }
            catch (PullException)
            {
                continue;
            }
        }

        Assert.InRange(chosen, 100, 4900);
    }

    [Fact]
    public async Task Git_blob_digest_is_what_git_computes()
    {
        using var folder = new TestKit.Formats.TempFolder();
        await File.WriteAllTextAsync(folder["hello"], "hello\n");

        // printf 'hello\n' | git hash-object --stdin
        Assert.Equal(
            "ce013625030ba8dba906f756967f9e9ca394464a",
            await new ContentHash(HashKind.GitBlob, "").OfFileAsync(folder["hello"], CancellationToken.None));
    }

    [Theory]
    [InlineData("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", null)]
    [InlineData("Qwen/Qwen3-0.6B:Q4_K_M", "Qwen/Qwen3-0.6B", "Q4_K_M")]
    [InlineData("a/b:sub/*.gguf", "a/b", "sub/*.gguf")]
    public void Repository_sources_parse(string text, string repository, string? selector) =>
        Assert.Equal(new PullSource(repository, selector, null), PullSource.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("name")]
    [InlineData("a/b/c")]
    [InlineData("../b")]
    [InlineData("a/..")]
    [InlineData("a/x..y")]
    [InlineData("a/b:")]
    [InlineData("ftp://host/file.gguf")]
    [InlineData("file:///etc/passwd.gguf")]
    [InlineData("a/b\n")]
    public void Other_sources_are_refused(string text) => Assert.Throws<PullException>(() => PullSource.Parse(text));

    private static string[] Choose(params string[] paths) => Choose(paths, null, null);

    private static string[] Choose(string[] paths, string? pattern = null, string? quantisation = null) =>
    [
        .. FileChoice.Choose([.. paths.Select(static p => new HubFile(p, 2_000_000_000, null))], pattern, quantisation)
            .Select(static f => f.Path),
    ];

    private static void Explains(string reason, string[] paths, string? pattern = null, string? quantisation = null) => Assert.Contains(
        reason, Assert.Throws<PullException>(() => Choose(paths, pattern, quantisation)).Message, StringComparison.Ordinal);
}
