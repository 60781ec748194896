using System.CommandLine;
using System.Diagnostics;

namespace HelixFlow.Benchmarks.Dispatch;

/// <summary>Processes that compute without a pause beside what is measured. They end with this, or when this process does.</summary>
internal sealed class Neighbours : IDisposable
{
    private const string CommandName = "busy-neighbour";

    private readonly List<Process> _processes = [];

    public Neighbours(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _processes.Add(Process.Start(new ProcessStartInfo(Environment.ProcessPath!, CommandName) { RedirectStandardInput = true, RedirectStandardOutput = true })!);
        }

        // Each says when it has begun.
        _processes.ForEach(static process => process.StandardOutput.ReadLine());
    }

    /// <summary>The command that a neighbour runs: computes until its standard input ends.</summary>
    public static Command CreateCommand()
    {
        var command = new Command(CommandName) { Hidden = true };
        command.SetAction(static _ =>
        {
            bool ended = false;
            var watch = new Thread(() =>
            {
                Console.In.ReadToEnd();
                Volatile.Write(ref ended, true);
            }) { IsBackground = true };
            watch.Start();
            Console.WriteLine("busy");
            double x = 1;
            while (!Volatile.Read(ref ended))
            {
                for (int i = 0; i < 100_000; i++)
                {
                    x = Math.Sqrt(x + i);
                }
            }

            return x > 0 ? 0 : 1;
        });
        return command;
    }

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            process.StandardInput.Close();
            if (!process.WaitForExit(TimeSpan.FromSeconds(5)))
            {
                process.Kill();
            }

            process.Dispose();
        }
    }
}
