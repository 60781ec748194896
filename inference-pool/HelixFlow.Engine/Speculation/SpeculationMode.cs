namespace HelixFlow.Engine.Speculation;

/// <summary>Where guesses at the next tokens come from, which are then run and verified together in one step.</summary>
public enum SpeculationMode
{
    /// <summary>One token per step and sequence.</summary>
    Off,

    /// <summary>Prompt lookup: what followed the last time that the sequence's latest tokens occurred in it. Needs no second model.</summary>
    NGram,

    /// <summary>A second, smaller model with the same vocabulary.</summary>
    Draft,
}
