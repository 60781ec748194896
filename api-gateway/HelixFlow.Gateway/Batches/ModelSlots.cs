using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Batches;

/// <summary>How many requests of batches may be under way for each model: as many as nodes have room for beside everything else. Thread-safe.</summary>
/// <remarks>
/// A model's limit is the share of its sequences that batches may use, less what other traffic uses; at least one, so that batches always advance. A
/// refusal (429 or 503) halves it, and it grows back by a quarter with each look at the nodes. Those who wait are let in first come, first served.
/// </remarks>
internal sealed class ModelSlots(IInferencePool pool, BatchOptions options)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ModelRoom> _rooms = new(StringComparer.Ordinal);

    /// <summary>Requests of batches that are under way.</summary>
    public int InFlight
    {
        get
        {
            lock (_lock)
            {
                return _rooms.Values.Sum(static room => room.InFlight);
            }
        }
    }

    /// <summary>The limit of a model at the moment; 1 before its nodes have been looked at.</summary>
    public int LimitOf(string model)
    {
        lock (_lock)
        {
            return RoomOf_NeedsLock(model).Limit;
        }
    }

    /// <summary>Looks at the nodes' occupancy anew.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        NodeState state = await pool.GetStateAsync(new GetStateRequest(), cancellationToken);
        lock (_lock)
        {
            foreach (ModelState model in state.Models)
            {
                ModelRoom room = RoomOf_NeedsLock(model.Name);
                long others = Math.Max(0, (long)model.Running + model.Waiting - room.InFlight);
                int share = (int)Math.Clamp((long)(model.MaxSequences * options.Share) - others, 1, options.MaxConcurrency);
                room.Ceiling = Math.Min(options.MaxConcurrency, room.Ceiling + Math.Max(1, room.Ceiling / 4));
                room.Limit = Math.Min(share, room.Ceiling);
                room.LetIn();
            }
        }
    }

    /// <summary>Waits for a place.</summary>
    public async Task EnterAsync(string model, CancellationToken cancellationToken)
    {
        TaskCompletionSource place;
        lock (_lock)
        {
            ModelRoom room = RoomOf_NeedsLock(model);
            if (room.Waiting.Count == 0 && room.InFlight < room.Limit)
            {
                room.InFlight++;
                return;
            }

            place = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            room.Waiting.Enqueue(place);
        }

        await using CancellationTokenRegistration registration = cancellationToken.Register(() => place.TrySetCanceled(cancellationToken));
        await place.Task;
    }

    /// <summary>Gives the place back.</summary>
    /// <param name="model">As entered.</param>
    /// <param name="refused">Whether the nodes had no room for the request.</param>
    public void Leave(string model, bool refused)
    {
        lock (_lock)
        {
            ModelRoom room = RoomOf_NeedsLock(model);
            room.InFlight--;
            if (refused)
            {
                room.Ceiling = Math.Max(1, Math.Min(room.Limit, room.InFlight + 1) / 2);
                room.Limit = Math.Min(room.Limit, room.Ceiling);
            }

            room.LetIn();
        }
    }

    private ModelRoom RoomOf_NeedsLock(string model)
    {
        if (!_rooms.TryGetValue(model, out ModelRoom? room))
        {
            room = new ModelRoom { Ceiling = options.MaxConcurrency };
            _rooms.Add(model, room);
        }

        return room;
    }

    private sealed class ModelRoom
    {
        public int InFlight { get; set; }

        public int Limit { get; set; } = 1;

        public int Ceiling { get; set; }

        public Queue<TaskCompletionSource> Waiting { get; } = new();

        public void LetIn()
        {
            while (InFlight < Limit && Waiting.TryDequeue(out TaskCompletionSource? next))
            {
                if (next.TrySetResult())
                {
                    InFlight++;
                }
            }
        }
    }
}
