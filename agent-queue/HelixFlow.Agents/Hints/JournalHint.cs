namespace HelixFlow.Agents.Hints;

/// <summary>What a hint is about.</summary>
public enum JournalHintKind
{
    /// <summary>A run of a type can be claimed; of any type when the text is empty.</summary>
    Ready,

    /// <summary>Something was appended to a run.</summary>
    Changed,

    /// <summary>Somebody wants a run under way to end.</summary>
    Cancelling,
}

/// <summary>That it is worth looking into the journal. It may come late, never, or several times: whoever relies on it alone waits for ever.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Text">The run's type or id.</param>
public readonly record struct JournalHint(JournalHintKind Kind, string Text);
