using System.Diagnostics;

namespace HelixFlow.InferenceNode.Tests.Devices;

/// <summary>Compiles small C libraries that stand in for drivers.</summary>
internal static class StubLibrary
{
    /// <summary>Compiles the source to a shared library; skips the running test where there is no C compiler.</summary>
    public static async Task<string> CompileAsync(string folder, string name, string source)
    {
        string code = Path.Combine(folder, $"{name}.c");
        string library = Path.Combine(folder, $"lib{name}.so");
        await File.WriteAllTextAsync(code, source);
        using var compiler = new Process
        {
            StartInfo = new ProcessStartInfo("cc", ["-shared", "-fPIC", "-o", library, code]) { RedirectStandardError = true },
        };
        try
        {
            compiler.Start();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("There is no C compiler here.");
        }

        using var guard = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        try
        {
            string errors = await compiler.StandardError.ReadToEndAsync(guard.Token);
            await compiler.WaitForExitAsync(guard.Token);
            Assert.True(compiler.ExitCode == 0, errors);
        }
        finally
        {
            if (!compiler.HasExited)
            {
                compiler.Kill(entireProcessTree: true);
            }
        }

        return library;
    }
}
