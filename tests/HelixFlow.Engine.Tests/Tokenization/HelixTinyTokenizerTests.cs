using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Engine.Tests.Tokenization;

/// <summary>The tokenizer of the project's own model, where the tree has it.</summary>
public sealed class HelixTinyTokenizerTests
{
    [Fact]
    public void Its_tokenizer_gives_any_text_back()
    {
        var folder = FindModel();
        Assert.SkipWhen(folder is null, "models/helix-tiny/tokenizer.json is not in this tree");
        var tokenizer = Tokenizer.FromHuggingFace(folder!);
        var generator = new TextGenerator(31);

        Assert.NotEmpty(tokenizer.EndIds);
        for (var round = 0; round < 500; round++)
        {
            var text = generator.Next([], odd: false);
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, addSpecial: false, parseSpecial: false), skipSpecial: false));
        }
    }

    private static string? FindModel()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var model = Path.Combine(folder.FullName, "models", "helix-tiny");
            if (File.Exists(Path.Combine(model, "tokenizer.json")))
            {
                return model;
            }
        }

        return null;
    }
}
