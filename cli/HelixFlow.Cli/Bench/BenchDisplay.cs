using Spectre.Console;

namespace HelixFlow.Cli.Bench;

/// <summary>Says on a terminal how far a measurement is, and nothing elsewhere.</summary>
/// <remarks>
/// Drawn only by <see cref="Report"/>, between the measurements: a spinner that redraws itself would take a core from what is measured.
/// Thread-safe.
/// </remarks>
internal sealed class BenchDisplay
{
    private readonly Lock _lock = new();
    private readonly ProgressContext? _context;
    private readonly ProgressTask? _task;

    private BenchDisplay(ProgressContext? context)
    {
        _context = context;
        _task = context?.AddTask("starting", maxValue: 1);
    }

    /// <summary>Runs the work with a display on standard error when both outputs are terminals.</summary>
    public static async Task<T> ShowAsync<T>(Func<BenchDisplay, Task<T>> work)
    {
        if (Console.IsOutputRedirected || Console.IsErrorRedirected)
        {
            return await work(new BenchDisplay(null));
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return await console.Progress()
            .AutoRefresh(false)
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(context => work(new BenchDisplay(context)));
    }

    /// <summary>Shows what runs now, and which share of all the work is done.</summary>
    public void Report(string what, double share)
    {
        if (_task is null)
        {
            return;
        }

        lock (_lock)
        {
            _task.Description = Markup.Escape(what);
            _task.Value = Math.Clamp(share, 0, 1);
            _context!.Refresh();
        }
    }
}
