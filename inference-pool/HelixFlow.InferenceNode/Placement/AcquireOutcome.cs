namespace HelixFlow.InferenceNode.Placement;

/// <summary>What a request for a model has to do next.</summary>
public enum AcquireStatus
{
    /// <summary>It runs on <see cref="AcquireOutcome.Replica"/>, which is active for it until <see cref="ModelPlacement.Release"/>.</summary>
    Resident,

    /// <summary>A replica is being loaded: ask again when that has ended.</summary>
    Loading,

    /// <summary>The caller carries out <see cref="AcquireOutcome.Plan"/> and asks again when it has.</summary>
    StartLoad,

    /// <summary>There will be room when others have ended: ask again when <see cref="ModelPlacement.Changes"/> has gone up.</summary>
    Busy,

    /// <summary>There is no room and there will be none: <see cref="AcquireOutcome.Refusal"/> says why.</summary>
    Impossible,
}

/// <summary>The answer to a request for a model.</summary>
/// <param name="Status">Which of the others is set.</param>
/// <param name="Replica">Set for <see cref="AcquireStatus.Resident"/>, <see cref="AcquireStatus.Loading"/> and <see cref="AcquireStatus.StartLoad"/>.</param>
/// <param name="Plan">Set for <see cref="AcquireStatus.StartLoad"/>.</param>
/// <param name="Refusal">Set for <see cref="AcquireStatus.Impossible"/>.</param>
public readonly record struct AcquireOutcome(AcquireStatus Status, Replica? Replica = null, LoadPlan? Plan = null, PlacementRefusal? Refusal = null);

/// <summary>A load to be carried out: first unload what is in the way, reporting each with <see cref="ModelPlacement.Unloaded"/>, then load.</summary>
/// <param name="Replica">What is to be loaded; report with <see cref="ModelPlacement.LoadSucceeded"/> or <see cref="ModelPlacement.LoadFailed"/>.</param>
/// <param name="Evict">What is to be unloaded before; idle, and already in the state <see cref="ReplicaState.Unloading"/>.</param>
public sealed record LoadPlan(Replica Replica, IReadOnlyList<Replica> Evict);

/// <summary>Why a model cannot be placed.</summary>
/// <param name="Reason">A sentence with the sizes.</param>
/// <param name="Split">How the model could be divided over devices, where it fits on none alone but on several together.</param>
public sealed record PlacementRefusal(string Reason, SplitPlan? Split = null);
