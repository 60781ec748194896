using System.IO.Enumeration;
using System.Text.RegularExpressions;
using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Pull;

/// <summary>Which files of a repository make a model.</summary>
internal static partial class FileChoice
{
    // What llama.cpp takes when nothing is asked for: the usual balance of size and quality.
    private const string DefaultQuantisation = "Q4_K_M";

    private static readonly HashSet<string> SideFiles = new(StringComparer.Ordinal)
    {
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt",
        "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json",

        // How a model for vectors makes them of its states.
        "modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
    };

    /// <summary>The files to fetch: one GGUF file, or a Hugging Face folder's.</summary>
    /// <param name="files">The repository's files.</param>
    /// <param name="pattern">A file path, possibly with * and ?, or null.</param>
    /// <param name="quantisation">Such as Q4_K_M, or null.</param>
    /// <exception cref="PullException">Nothing fits, or more than one does.</exception>
    public static IReadOnlyList<HubFile> Choose(IReadOnlyList<HubFile> files, string? pattern, string? quantisation)
    {
        List<HubFile> ggufs = [.. files.Where(static f => IsGguf(f.Path) && !IsProjector(f.Path))];
        IReadOnlyList<HubFile> chosen = pattern is null && quantisation is null && ChooseFolder(files) is { Count: > 0 } folder
            ? folder
            : [ChooseGguf(ggufs, pattern, quantisation)];
        foreach (HubFile file in chosen)
        {
            RefuseUnsafe(file.Path);
        }

        return chosen;
    }

    public static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];

    private static bool IsGguf(string path) => path.EndsWith(ModelStore.GgufExtension, StringComparison.OrdinalIgnoreCase);

    /// <summary>Vision projectors lie beside the language model.</summary>
    private static bool IsProjector(string path) => NameOf(path).Contains("mmproj", StringComparison.OrdinalIgnoreCase);

    private static List<HubFile> ChooseFolder(IReadOnlyList<HubFile> files)
    {
        List<HubFile> weights = [.. files.Where(static f => f.Path == "model.safetensors")];
        if (weights.Count == 0)
        {
            weights = [.. files.Where(static f => f.Path == "model.safetensors.index.json" || ShardPattern().IsMatch(f.Path))];
        }

        if (weights.Count == 0)
        {
            weights = [.. files.Where(static f => NameOf(f.Path) == f.Path && f.Path.EndsWith(".safetensors", StringComparison.Ordinal))];
        }

        if (weights.Count == 0 || !files.Any(static f => f.Path == "config.json"))
        {
            return [];
        }

        // Small files first: a gated or mistaken repository is noticed before gigabytes have come.
        return [.. files.Where(static f => SideFiles.Contains(f.Path)), .. weights.OrderBy(static f => f.Path, StringComparer.Ordinal)];
    }

    private static HubFile ChooseGguf(List<HubFile> ggufs, string? pattern, string? quantisation)
    {
        if (ggufs.Count == 0)
        {
            throw new PullException("the repository has no GGUF file, and no config.json with .safetensors files");
        }

        List<HubFile> fitting = [.. ggufs.Where(f =>
            (pattern is null || Matches(pattern, f.Path) || Matches(pattern, NameOf(f.Path)))
            && (quantisation is null || HasQuantisation(f.Path, quantisation)))];
        if (fitting.Count > 1 && quantisation is null
            && fitting.Where(static f => HasQuantisation(f.Path, DefaultQuantisation)).ToList() is [var usual])
        {
            fitting = [usual];
        }

        HubFile file = fitting switch
        {
            [var only] => only,
            [] => throw new PullException($"no GGUF file fits {Wanted(pattern, quantisation)}; the repository has {Describe(ggufs)}"),
            _ => throw new PullException(
                $"several GGUF files fit {Wanted(pattern, quantisation)}; choose one with --file or --quant: {Describe(fitting)}"),
        };
        return SplitPattern().IsMatch(file.Path)
            ? throw new PullException($"{file.Path} is one part of a split model; choose a model in one file: {Describe(ggufs)}")
            : file;
    }

    /// <summary>Whether the name has the quantisation as a word of its own, so that Q4_K does not find Q4_K_M.</summary>
    private static bool HasQuantisation(string path, string quantisation)
    {
        string name = NameOf(path)[..^ModelStore.GgufExtension.Length];
        for (int at = 0; (at = name.IndexOf(quantisation, at, StringComparison.OrdinalIgnoreCase)) >= 0; at++)
        {
            int end = at + quantisation.Length;
            if ((at == 0 || name[at - 1] is '-' or '.' or '_') && (end == name.Length || name[end] is '-' or '.'))
            {
                return true;
            }
        }

        return false;
    }

    private static bool Matches(string pattern, string path) => FileSystemName.MatchesSimpleExpression(pattern, path);

    private static string Wanted(string? pattern, string? quantisation) => (pattern, quantisation) switch
    {
        (null, null) => "without a choice",
        (null, _) => $"'{quantisation}'",
        (_, null) => $"'{pattern}'",
        _ => $"'{pattern}' and '{quantisation}'",
    };

    private static string Describe(List<HubFile> files) =>
        string.Join(", ", files.Select(static f => f.SizeBytes is { } size ? $"{f.Path} ({Commands.Terminal.Bytes(size)})" : f.Path));

    private static void RefuseUnsafe(string path)
    {
        foreach (string segment in path.Split('/'))
        {
            if (segment is "" or "." or ".." || segment.AsSpan().IndexOfAny('\\', ':') >= 0 || segment.Any(char.IsControl))
            {
                throw new PullException($"the repository lists the file '{Commands.Terminal.Printable(path)}', which is not a safe name");
            }
        }
    }

    [GeneratedRegex(@"\Amodel-\d+-of-\d+\.safetensors\z")]
    private static partial Regex ShardPattern();

    [GeneratedRegex(@"-\d{5}-of-\d{5}\.gguf\z", RegexOptions.IgnoreCase)]
    private static partial Regex SplitPattern();
}
