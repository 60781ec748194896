using System.Globalization;
using HelixFlow.Cli.Commands;
using Spectre.Console;

namespace HelixFlow.Cli.Pull;

/// <summary>Shows a <see cref="DownloadMeter"/> while a download runs: a live bar on a terminal, a line now and then elsewhere.</summary>
internal sealed class PullDisplay(TextWriter output, bool isTerminal, TimeProvider time)
{
    private static readonly TimeSpan BarInterval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);

    public async Task<T> ShowAsync<T>(DownloadMeter meter, Task<T> work)
    {
        await (isTerminal ? ShowBarAsync(meter, work) : ShowLinesAsync(meter, work));
        return await work;
    }

    /// <summary>One line of text: how far, how fast, how long still.</summary>
    public static string Line(DownloadMeter meter, TimeSpan elapsed)
    {
        double rate = elapsed > TimeSpan.Zero ? meter.ReceivedBytes / elapsed.TotalSeconds : 0;
        (long done, long total) = (meter.DoneBytes, meter.TotalBytes);
        string share = total > 0
            ? string.Create(CultureInfo.InvariantCulture, $" of {Terminal.Bytes(total)} ({Math.Clamp(100.0 * done / total, 0, 100):0} %)")
            : "";
        string left = total > done && rate > 0 ? ", " + Duration(TimeSpan.FromSeconds((total - done) / rate)) + " left" : "";
        string trouble = meter.Trouble is { } why ? "; " + Terminal.Printable(why, maxLength: 200) : "";
        return $"{Terminal.Printable(meter.Phase)}: {Terminal.Bytes(done)}{share}, {Terminal.Bytes(rate)}/s{left}{trouble}";
    }

    private async Task ShowLinesAsync(DownloadMeter meter, Task work)
    {
        long start = time.GetTimestamp();
        while (await Task.WhenAny(work, Task.Delay(LineInterval, time)) != work)
        {
            await output.WriteLineAsync(Line(meter, time.GetElapsedTime(start)));
        }
    }

    private async Task ShowBarAsync(DownloadMeter meter, Task work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) });
        await console.Progress()
            .AutoClear(true)
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new DownloadedColumn(),
                new TransferSpeedColumn(),
                new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask("starting", maxValue: 1);
                do
                {
                    task.Description = Markup.Escape(Terminal.Printable(meter.Trouble ?? meter.Phase, maxLength: 60));
                    task.MaxValue = Math.Max(meter.TotalBytes, 1);
                    task.Value = meter.DoneBytes;
                }
                while (await Task.WhenAny(work, Task.Delay(BarInterval, time)) != work);
            });
    }

    private static string Duration(TimeSpan span) => span.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours}:{span.Minutes:00}:{span.Seconds:00}")
        : string.Create(CultureInfo.InvariantCulture, $"{span.Minutes}:{span.Seconds:00}");
}
