namespace HelixFlow.InferenceNode.Placement;

/// <summary>What must hold between any two calls.</summary>
public sealed partial class ModelPlacement
{
    /// <summary>Recounts everything. For tests: it visits every model.</summary>
    /// <exception cref="InvalidOperationException">An invariant does not hold.</exception>
    public void CheckInvariants()
    {
        int reservations = 0;
        foreach (DeviceRoom room in _rooms)
        {
            long used = 0;
            foreach (Replica replica in room.Replicas)
            {
                CheckReplica(replica, room);
                used += replica.State == ReplicaState.Loading ? replica.ChargedBytes : replica.Bytes;
            }

            Require(used == room.Used, $"{room.Device.Id} counts {room.Used} bytes, its replicas take {used}");
            Require(used <= Math.Max(0, room.Budget), $"{room.Device.Id} is filled with {used} bytes beyond its budget of {room.Budget}");
            Require(room.Device.CanRun || room.Replicas.Count == 0, $"{room.Device.Id} cannot run models but has some");
            bool isRight = room.ReservedFor is not { } reserver || (reserver.Reserved == room && reserver.WaitingSince is not null);
            Require(isRight, $"the reservation of {room.Device.Id} is for nobody");
            Require(room.ReservedFor is null || !room.Has(room.ReservedFor), $"the reservation of {room.Device.Id} is for a model that is there");
            reservations += room.ReservedFor is null ? 0 : 1;
        }

        Require(reservations == _reservations, $"{_reservations} reservations are counted, {reservations} exist");
        foreach (ModelEntry entry in _models.Values)
        {
            Require(_waiting.Contains(entry) == entry.WaitingSince is not null, $"'{entry.Name}' waits in one place only");
            Require(entry.Replicas.Where(replica => replica.State != ReplicaState.Unloading).DistinctBy(replica => replica.Room).Count()
                == entry.Replicas.Count(replica => replica.State != ReplicaState.Unloading), $"'{entry.Name}' is twice on a device");
            Require(entry.Replicas.All(replica => replica.Room.Replicas.Contains(replica)), $"a replica of '{entry.Name}' is on no device");
        }

        Require(_waiting.Zip(_waiting.Skip(1)).All(pair => pair.First.WaitingSince <= pair.Second.WaitingSince), "the waiting are out of order");
    }

    private static void CheckReplica(Replica replica, DeviceRoom room)
    {
        Require(replica.Room == room && replica.Entry.Replicas.Contains(replica), $"{replica} is lost");
        Require(replica.Active >= 0 && (replica.Active == 0 || replica.State == ReplicaState.Resident), $"{replica} has requests");
        Require(!replica.Claimed || room.ReservedFor is not null, $"{replica} is claimed by nobody");
        Require(!replica.Claimed || !replica.Entry.Pinned, $"{replica} is claimed but pinned");
        Require(replica.Successor is null || replica is { State: ReplicaState.Unloading, Successor.State: ReplicaState.Loading }, $"{replica} has a successor");
        long awaited = room.Replicas.Where(other => other.Successor == replica).Sum(other => other.Bytes);
        Require(awaited == replica.AwaitedBytes, $"{replica} awaits {replica.AwaitedBytes} bytes of {awaited}");
    }

    private static void Require(bool holds, string problem)
    {
        if (!holds)
        {
            throw new InvalidOperationException(problem);
        }
    }
}
