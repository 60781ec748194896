namespace HelixFlow.Agents.Dispatch;

/// <summary>How a worker in this process works. Copied when the worker is made.</summary>
public sealed class WorkerOptions
{
    private static int _made;

    /// <summary>Its name, which no other worker may have: what it holds is handed back under it. Default: the machine and the process, and a number for further ones.</summary>
    public string Name { get; set; } = $"{Environment.MachineName}/{Environment.ProcessId}" + (Interlocked.Increment(ref _made) is > 1 and int number ? $"-{number}" : "");

    /// <summary>The program, for people. Default: HelixFlow with its version.</summary>
    public string Program { get; set; } = $"helixflow {typeof(WorkerOptions).Assembly.GetName().Version?.ToString(3)}";

    /// <summary>Runs at the same time, 1 or more. Default: four for each processor, as most of them wait for a model.</summary>
    public int Slots { get; set; } = Math.Max(4, 4 * Environment.ProcessorCount);

    /// <summary>The types of jobs that it does; null for all that it was given.</summary>
    public IReadOnlyCollection<string>? Types { get; set; }

    /// <summary>Most runs of a type at this moment, asked before each claim; null for no limit but the slots. Default: none has one.</summary>
    public Func<string, int?>? MostOfType { get; set; }

    /// <summary>How long it lets its runs finish when it is stopped, before it hands them back. Default 20 seconds.</summary>
    public TimeSpan DrainLimit { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a job's code may take to end after it was cancelled, before the worker leaves without it. Default 5 seconds.</summary>
    public TimeSpan CancelLimit { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often it looks for runs although no hint has come. Default 1 second.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How often it does what is due in the journal: delays that end, lost workers, retries. Default 200 ms.</summary>
    public TimeSpan TickInterval { get; set; } = TimeSpan.FromMilliseconds(200);
}
