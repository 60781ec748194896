using System.Diagnostics;

namespace HelixFlow.Interop.Tests;

/// <summary>tests/interop/clients/proxy.mjs between a client of .NET and the server: all that the client gets is held to the API's description.</summary>
internal sealed class ContractProxy : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _errors;

    private ContractProxy(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>What the client has to take as the API's base.</summary>
    public Uri Address { get; private set; } = null!;

    public static async Task<ContractProxy> StartAsync(Server server)
    {
        var proxy = new ContractProxy(NodeScript.Start("clients/proxy.mjs", server, report: null));
        string? address = await proxy._process.StandardOutput.ReadLineAsync();
        proxy.Address = new Uri((address ?? throw new InvalidOperationException(await proxy._errors)) + "/v1");
        return proxy;
    }

    /// <summary>Ends it; fails when an answer broke the contract.</summary>
    /// <returns>What it says it checked.</returns>
    public async Task<string> EndAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        string said = await _errors;
        Assert.True(_process.ExitCode == 0, said);
        return said;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }
}
