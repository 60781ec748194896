using BenchmarkDotNet.Attributes;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.MicroBenchmarks;

/// <summary>The vocabulary of models/helix-tiny; public vocabularies are measured by `HelixFlow.Benchmarks tokenizer`.</summary>
[MemoryDiagnoser]
public class TokenizerBenchmarks
{
    private Tokenizer _tokenizer = null!;
    private string _text = "";
    private int[] _ids = [];

    [Params("prose", "code", "chinese")]
    public string Kind { get; set; } = "";

    [GlobalSetup]
    public void SetUp()
    {
        _tokenizer = Tokenizer.FromHuggingFace(Repository.Path("models", "helix-tiny"));
        _text = SampleText.Make(Kind, 8_000);
        _ids = _tokenizer.Encode(_text, addSpecial: false, parseSpecial: false);
    }

    [Benchmark(Description = "encode 8,000 characters")]
    public int[] Encode() => _tokenizer.Encode(_text, addSpecial: false, parseSpecial: false);

    [Benchmark(Description = "encode, no word seen before")]
    public int[] EncodeUnseen()
    {
        _tokenizer.ForgetWords();
        return _tokenizer.Encode(_text, addSpecial: false, parseSpecial: false);
    }

    [Benchmark(Description = "decode them at once")]
    public string Decode() => _tokenizer.Decode(_ids, skipSpecial: true);

    [Benchmark(Description = "decode them token by token")]
    public int Stream()
    {
        StreamingDetokenizer detokenizer = _tokenizer.CreateDetokenizer();
        int characters = 0;
        foreach (int id in _ids)
        {
            characters += detokenizer.Append(id).Length;
        }

        return characters + detokenizer.Flush().Length;
    }
}
