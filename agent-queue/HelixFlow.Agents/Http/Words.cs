using System.Text.Json;

namespace HelixFlow.Agents.Http;

/// <summary>How the names of states, priorities and events are written in JSON: in small letters, words joined by underscores.</summary>
internal static class Words
{
    public static string Of(Enum value) => Of(value.ToString());

    public static string Of(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    public static IEnumerable<string> Of<T>()
        where T : struct, Enum => Enum.GetValues<T>().Select(static value => Of(value.ToString()));

    public static bool TryRead<T>(string word, out T value)
        where T : struct, Enum
    {
        foreach (T candidate in Enum.GetValues<T>())
        {
            if (Of(candidate.ToString()) == word)
            {
                value = candidate;
                return true;
            }
        }

        value = default;
        return false;
    }
}
