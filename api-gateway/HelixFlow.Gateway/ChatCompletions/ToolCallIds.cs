using System.Security.Cryptography;

namespace HelixFlow.Gateway.ChatCompletions;

/// <summary>The ids of an answer's calls: made when a call begins, the same for all its pieces.</summary>
/// <remarks>One per response, used by one thread at a time.</remarks>
/// <param name="prefix">What they begin with.</param>
internal sealed class ToolCallIds(string prefix = "call_")
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private const int Length = 24;

    private readonly Dictionary<(uint Choice, uint Call), string> _ids = [];

    /// <summary>The id of a call.</summary>
    public string this[uint choice, uint call]
    {
        get
        {
            if (!_ids.TryGetValue((choice, call), out string? id))
            {
                _ids.Add((choice, call), id = prefix + RandomNumberGenerator.GetString(Alphabet, Length));
            }

            return id;
        }
    }

    /// <summary>Whether a choice has made a call.</summary>
    public bool HasCalls(uint choice) => _ids.ContainsKey((choice, 0));
}
