using System.Diagnostics;

namespace HelixFlow.InferenceNode.Placement;

/// <summary>How models compete for room.</summary>
public sealed partial class ModelPlacement
{
    private Replica? TryUse(ModelEntry entry, TimeSpan now)
    {
        Replica? best = null;
        foreach (Replica replica in entry.Replicas)
        {
            if (TakesRequests(replica, now) && (best is null || replica.Active < best.Active))
            {
                best = replica;
            }
        }

        if (best is not null)
        {
            best.Active++;
            best.Served = true;
            entry.Uses.Add(now, _options.HalfLife);
            entry.LastUse = now;
        }

        return best;
    }

    /// <remarks>However short its time is, a claimed replica serves one request: otherwise models could load in turn and never answer.</remarks>
    private bool TakesRequests(Replica replica, TimeSpan now) =>
        replica is { State: ReplicaState.Resident, Leaving: false }
        && (!replica.Claimed || !replica.Served || now - replica.Since < replica.LoadTook * _options.ServePerLoad);

    /// <summary>Plans a load on the best device: one where nothing is evicted, else where the evicted have the fewest uses; then the tightest fit.</summary>
    private LoadPlan? TryPlan(ModelEntry entry, bool mayEvict, TimeSpan now)
    {
        DeviceRoom? best = null;
        (double Cost, long Left) bestScore = default;
        long need = entry.Need.TotalBytes;
        foreach (DeviceRoom room in _rooms)
        {
            if (!room.CanEverHold(entry) || room.Has(entry))
            {
                continue;
            }

            long left = room.FreeFor(entry) - need;
            double cost = -1; // Less than any eviction costs.
            _victims.Clear();
            if (left < 0)
            {
                if (!mayEvict || !_search.TryFindIdle(room, entry, -left, now, _victims))
                {
                    continue;
                }

                left += _search.FreedBytes;
                cost = _search.Cost;
            }

            if (best is null || (cost, left).CompareTo(bestScore) < 0)
            {
                best = room;
                bestScore = (cost, left);
                (_victims, _bestVictims) = (_bestVictims, _victims);
            }
        }

        return best is null ? null : BeginLoad(entry, best, _bestVictims, now);
    }

    private LoadPlan BeginLoad(ModelEntry entry, DeviceRoom room, List<Replica> victims, TimeSpan now)
    {
        var replica = new Replica(entry, room, ++_lastNumber, now);
        foreach (Replica victim in victims)
        {
            Debug.Assert(victim is { State: ReplicaState.Resident, Active: 0, Entry.Pinned: false });
            victim.State = ReplicaState.Unloading;
            victim.Successor = replica;
            replica.AwaitedBytes += victim.Bytes;
        }

        room.Used += replica.ChargedBytes;
        Debug.Assert(room.Used <= room.Budget);
        room.Replicas.Add(replica);
        entry.Replicas.Add(replica);
        return new LoadPlan(replica, [.. victims]);
    }

    /// <summary>Null when the model would fit once others have ended.</summary>
    private PlacementRefusal? FindRefusal(ModelEntry entry)
    {
        if (entry.NeverFits is { } never)
        {
            return never;
        }

        DeviceRoom? mostFree = null;
        foreach (DeviceRoom room in _rooms)
        {
            if (!room.CanEverHold(entry))
            {
                continue;
            }

            long free = room.Budget - room.PinnedBytes();
            if (free >= entry.Need.TotalBytes || room.Has(entry))
            {
                return null;
            }

            mostFree = mostFree is null || free > mostFree.Budget - mostFree.PinnedBytes() ? room : mostFree;
        }

        return Refusals.Pinned(entry, mostFree!);
    }

    private void BeginWait(ModelEntry entry, TimeSpan now)
    {
        if (entry.WaitingSince is null)
        {
            entry.WaitingSince = now;
            _waiting.Add(entry);
        }
    }

    private void EndWait(ModelEntry entry)
    {
        if (entry.WaitingSince is null)
        {
            return;
        }

        entry.WaitingSince = null;
        _waiting.Remove(entry);
        if (entry.Reserved is { } room)
        {
            EndReservation(room);
        }
    }

    /// <summary>Reserves devices for those that have waited too long. Costs nothing while nobody does.</summary>
    private void ReserveForOverdue(TimeSpan now)
    {
        foreach (ModelEntry entry in _waiting)
        {
            if (_reservations == _usableRooms || now - entry.WaitingSince < _options.ReserveAfter)
            {
                return;
            }

            if (entry.Reserved is null)
            {
                TryReserve(entry, now);
            }
        }
    }

    private void TryReserve(ModelEntry entry, TimeSpan now)
    {
        DeviceRoom? best = null;
        double bestCost = 0;
        long need = entry.Need.TotalBytes;
        foreach (DeviceRoom room in _rooms)
        {
            if (room.ReservedFor is null && room.CanEverHold(entry) && !room.Has(entry)
                && _search.TryFindClaimable(room, need - (room.Budget - room.StayingBytes()), now, _victims)
                && (best is null || _search.Cost < bestCost))
            {
                best = room;
                bestCost = _search.Cost;
                (_victims, _bestVictims) = (_bestVictims, _victims);
            }
        }

        if (best is null)
        {
            return;
        }

        best.ReservedFor = entry;
        entry.Reserved = best;
        _reservations++;
        foreach (Replica victim in _bestVictims)
        {
            victim.Claimed = true;
        }
    }

    /// <summary>Opens a device to all again.</summary>
    private void EndReservation(DeviceRoom room)
    {
        Debug.Assert(room.ReservedFor?.Reserved == room);
        room.ReservedFor!.Reserved = null;
        room.ReservedFor = null;
        _reservations--;
        foreach (Replica replica in room.Replicas)
        {
            replica.Claimed = false;
        }

        Changes++;
    }
}
