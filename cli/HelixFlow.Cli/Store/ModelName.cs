using System.Text.RegularExpressions;

namespace HelixFlow.Cli.Store;

/// <summary>The rule for names of stored models: they become file and folder names.</summary>
internal static partial class ModelName
{
    public const string Rule = "letters, digits, '.', '_' and '-', at most 128, starting with a letter or digit";

    public static bool IsValid(string name) => Pattern().IsMatch(name);

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\z")]
    private static partial Regex Pattern();
}
