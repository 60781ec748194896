using System.Text.Json;
using HelixFlow.Cli.Commands;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Formats;
using HelixFlow.TestKit.Formats;

namespace HelixFlow.Cli.Tests.Store;

public sealed class ModelStoreTests : IDisposable
{
    private readonly TempFolder _data = new();
    private readonly StringWriter _output = new();
    private readonly ModelStore _store;

    public ModelStoreTests()
    {
        _store = new ModelStore(_data.FullPath);
        Directory.CreateDirectory(_store.Folder);
    }

    public void Dispose()
    {
        _data.Dispose();
        _output.Dispose();
    }

    [Theory]
    [InlineData("/option", "/variable", "/xdg", "/option")]
    [InlineData(null, "/variable", "/xdg", "/variable")]
    [InlineData(null, null, "/xdg", "/xdg/helixflow")]
    [InlineData(null, "", "relative", "/home/me/.local/share/helixflow")]
    [InlineData(null, null, null, "/home/me/.local/share/helixflow")]
    public void Data_folder_comes_from_option_environment_or_home(string? option, string? variable, string? xdg, string expected) =>
        Assert.Equal(expected, DataFolder.Resolve(option, name => name switch
        {
            "HELIXFLOW_DATA" => variable,
            "XDG_DATA_HOME" => xdg,
            "HOME" => "/home/me",
            _ => null,
        }));

    [Fact]
    public void List_shows_models_of_both_kinds_and_survives_broken_ones()
    {
        SaveGguf("quantised");
        SaveFolder("folder");
        File.WriteAllText(Path.Combine(_store.Folder, "broken.gguf"), "GGUF, but not really");
        File.WriteAllText(Path.Combine(_store.Folder, "notes.txt"), "not a model");
        Directory.CreateDirectory(Path.Combine(_store.Folder, ".pull-half"));
        File.WriteAllText(Path.Combine(_store.Folder, ".pull-half", "config.json"), "{}");

        Assert.Equal(0, ModelsCommand.List(_store, json: true, _output));

        JsonElement[] models = [.. JsonDocument.Parse(_output.ToString()).RootElement.EnumerateArray()];
        Assert.Equal(["broken", "folder", "quantised"], models.Select(static m => m.GetProperty("name").GetString()));
        Assert.Contains("GGUF version", models[0].GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal("llama", models[1].GetProperty("architecture").GetString());
        Assert.Equal("BF16", models[1].GetProperty("quantisation").GetString());
        Assert.Equal(8, models[1].GetProperty("parameters").GetInt64());
        Assert.Equal("qwen3", models[2].GetProperty("architecture").GetString());
        Assert.Equal("Q4_K_M", models[2].GetProperty("quantisation").GetString());
        Assert.Equal(JsonValueKind.Null, models[2].GetProperty("error").ValueKind);
        Assert.Equal(new FileInfo(Path.Combine(_store.Folder, "quantised.gguf")).Length, models[2].GetProperty("size_bytes").GetInt64());
    }

    [Fact]
    public void List_for_people_is_a_table()
    {
        ModelsCommand.List(_store, json: false, _output);
        Assert.Contains("helixflow pull", _output.ToString(), StringComparison.Ordinal);
        SaveGguf("quantised");

        ModelsCommand.List(_store, json: false, _output);

        Assert.Matches(@"NAME +FORMAT +SIZE +ARCHITECTURE +TYPE +PARAMETERS +PURPOSE\n\s*quantised +gguf +\d+ B +qwen3 +Q4_K_M +520", _output.ToString());
    }

    [Fact]
    public void Show_tells_what_the_headers_say()
    {
        SaveGguf("quantised");

        ModelsCommand.Show(_store.Resolve("quantised"), json: true, _output);
        ModelsCommand.Show(_store.Resolve("quantised.gguf"), json: false, _output);

        string text = _output.ToString();
        JsonElement json = JsonDocument.Parse(text[..text.IndexOf("\n}", StringComparison.Ordinal)] + "\n}").RootElement;
        Assert.Equal(4096, json.GetProperty("context_length").GetInt64());
        Assert.Equal(3, json.GetProperty("vocabulary_size").GetInt64());
        Assert.True(json.GetProperty("has_chat_template").GetBoolean());
        Assert.Equal("[3 × String]", json.GetProperty("metadata").GetProperty("tokenizer.ggml.tokens").GetString());
        Assert.Equal("F32", json.GetProperty("tensors")[1].GetProperty("type").GetString());
        Assert.Matches("Context length +4096", text);
        Assert.Matches("Chat template +yes", text);
        Assert.DoesNotContain('\u001b', text);
    }

    [Fact]
    public void Show_reads_folders_with_their_configuration()
    {
        SaveFolder("folder");

        ModelDetails details = ModelInspector.Inspect(_store.Resolve("folder"));

        Assert.Equal(("llama", 2048L, 256L), (details.Architecture, details.ContextLength, details.VocabularySize));
        Assert.True(details.HasChatTemplate);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"model_type\":\"\\ud800\"}")]
    public void Damaged_configuration_is_a_format_error(string config)
    {
        SaveFolder("folder");
        File.WriteAllText(Path.Combine(_store.Folder, "folder", "config.json"), config);

        Assert.Throws<ModelFormatException>(() => ModelInspector.Inspect(_store.Resolve("folder")));
    }

    [Fact]
    public void Name_or_path_resolves()
    {
        SaveGguf("quantised");
        SaveFolder("folder");
        string outside = _data["outside.gguf"];
        File.Copy(Path.Combine(_store.Folder, "quantised.gguf"), outside);

        Assert.Equal(ModelKind.Gguf, _store.Resolve("quantised").Kind);
        Assert.Equal(new ModelLocation("folder", Path.Combine(_store.Folder, "folder"), ModelKind.Safetensors), _store.Resolve("folder"));
        Assert.Equal(new ModelLocation("outside", outside, ModelKind.Gguf), _store.Resolve(outside));
        Assert.Equal("folder", _store.Resolve(Path.Combine(_store.Folder, "folder") + "/").Name);
        Explains("stored are folder, quantised", "gone");
        Explains("is not a model", _data.FullPath);
    }

    [Fact]
    public void Name_of_two_models_is_unclear()
    {
        SaveGguf("twice");
        SaveFolder("twice");

        Explains("names both a file and a folder", "twice");
        Assert.Equal(ModelKind.Gguf, _store.Resolve("twice.gguf").Kind);
    }

    [Fact]
    public void Remove_asks_and_deletes()
    {
        SaveGguf("quantised");
        SaveFolder("folder");

        Assert.Equal(1, ModelsCommand.Remove(_store, "quantised", yes: false, new StringReader("n\n"), _output));
        Assert.Equal(1, ModelsCommand.Remove(_store, "quantised", yes: false, new StringReader(""), _output));
        Assert.Equal(2, _store.List().Count);
        Assert.Equal(0, ModelsCommand.Remove(_store, "quantised", yes: false, new StringReader("y\n"), _output));
        Assert.Equal(0, ModelsCommand.Remove(_store, "folder", yes: true, TextReader.Null, _output));

        Assert.Empty(Directory.GetFileSystemEntries(_store.Folder));
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("../outside.gguf")]
    [InlineData("gone")]
    public void Nothing_outside_the_store_is_removed(string name)
    {
        File.WriteAllText(_data["outside.gguf"], "keep");

        Assert.Throws<StoreException>(() => _store.Remove(name));
        Assert.Throws<StoreException>(() => _store.Remove(_data["outside.gguf"]));

        Assert.True(File.Exists(_data["outside.gguf"]));
    }

    [Fact]
    public void Removing_a_linked_model_keeps_what_it_points_to()
    {
        SaveFolder("folder");
        string outside = _data["elsewhere"];
        Directory.Move(Path.Combine(_store.Folder, "folder"), outside);
        Directory.CreateSymbolicLink(Path.Combine(_store.Folder, "linked"), outside);

        _store.Remove("linked");

        Assert.Empty(_store.List());
        Assert.True(File.Exists(Path.Combine(outside, "config.json")));
    }

    [Fact]
    public void Text_from_files_cannot_steer_the_terminal()
    {
        Assert.Equal("a�[31mb⏎c", Terminal.Printable("a\u001b[31mb\nc"));
        Assert.Equal("�x", Terminal.Printable("\u202ex"));
        Assert.Equal("ab…", Terminal.Printable("abcdef", maxLength: 2));
    }

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1000, "1.0 kB")]
    [InlineData(4_680_000_000, "4.7 GB")]
    [InlineData(999_600, "1.0 MB")]
    public void Sizes_are_short(long bytes, string expected) => Assert.Equal(expected, Terminal.Bytes(bytes));

    private void Explains(string reason, string nameOrPath) =>
        Assert.Contains(reason, Assert.Throws<StoreException>(() => _store.Resolve(nameOrPath)).Message, StringComparison.Ordinal);

    private void SaveGguf(string name) => new GgufWriter().Add("general.architecture", "qwen3").Add("general.file_type", 15u)
        .Add("general.name", "tricky \u001b[31m name").Add("qwen3.context_length", 4096u)
        .Add("tokenizer.ggml.tokens", new[] { "a", "b", "c" }).Add("tokenizer.chat_template", "{{ messages }}")
        .AddTensor("m", TensorType.Q4_K, [2, 256], new byte[288]).AddTensor("n", [8], new float[8])
        .Save(Path.Combine(_store.Folder, name + ".gguf"));

    private void SaveFolder(string name)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_store.Folder, name)).FullName;
        new SafetensorsWriter().AddTensor("w", "BF16", [2, 4], new byte[16]).Save(Path.Combine(folder, "model.safetensors"));
        File.WriteAllText(
            Path.Combine(folder, "config.json"),
            """{"model_type":"llama","text_config":{"max_position_embeddings":2048},"vocab_size":256}""");
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"chat_template":"{{ messages }}"}""");
    }
}
