using System.Diagnostics;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Health.V1;
using Grpc.Testing;

namespace HelixFlow.Grpc.Tests.Interop;

/// <summary>A foreign implementation of gRPC and its programs under tests/interop/grpc.</summary>
internal sealed class Peer
{
    private static readonly TimeSpan Guard = TimeSpan.FromMinutes(5);
    private static readonly Lazy<string> Descriptors = new(WriteDescriptors);

    private readonly string _program;
    private readonly string _folder;
    private readonly string _ending;
    private readonly Func<string?> _missing;
    private readonly Func<string> _version;

    private Peer(string name, string program, string folder, string ending, Func<string?> missing, Func<string> version)
    {
        Name = name;
        _program = program;
        _folder = folder;
        _ending = ending;
        _missing = missing;
        _version = version;
    }

    public static string Root { get; } = FindRoot();

    public static Peer JavaScript { get; } = new("grpc-js", "node", "js", ".mjs",
        () => Works("node", "--version") && Directory.Exists(Path.Combine(Root, "tests/interop/node_modules/@grpc/grpc-js")) ? null
            : "install node and run 'npm ci --ignore-scripts' in tests/interop",
        () => "@grpc/grpc-js " + Output("node", "-p", "require('@grpc/grpc-js/package.json').version") + " on Node " + Output("node", "--version"));

    public static Peer Python { get; } = new("grpcio", "/usr/bin/python3", "python", ".py",
        () => Works("/usr/bin/python3", "-c", "import grpc, google.protobuf") ? null : "install Debian's python3-grpcio and python3-protobuf",
        () => "grpcio " + Output("/usr/bin/python3", "-c", "import grpc; print(grpc.__version__)") + " on Python "
            + Output("/usr/bin/python3", "-c", "import platform; print(platform.python_version())"));

    public static IReadOnlyList<Peer> All { get; } = [JavaScript, Python];

    public string Name { get; }

    /// <summary>What to install; null when nothing is missing.</summary>
    public string? Missing => _missing();

    public string Version => _version();

    public static Peer Named(string name) => All.Single(peer => peer.Name == name);

    /// <summary>Skips the running test when the peer cannot run here.</summary>
    public void SkipIfMissing() => Assert.SkipWhen(Missing is not null, Missing ?? "");

    /// <summary>Runs the peer's client and passes on what it has to say if the case does not hold.</summary>
    public async Task RunClientAsync(string address, string name, params string[] arguments)
    {
        using Process process = Start("client", [address, name, .. arguments]);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(Guard);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{Name}'s client did not end {name}: {await output}{await errors}");
        }

        Assert.True(process.ExitCode == 0, $"{Name}'s client: {await output}{await errors}");
    }

    /// <summary>Starts the peer's server; it ends with the result.</summary>
    public async Task<PeerServer> StartServerAsync(params string[] arguments)
    {
        Process process = Start("server", arguments);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string? port = await process.StandardOutput.ReadLineAsync().WaitAsync(Guard);
        if (!int.TryParse(port, out int number))
        {
            process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"{Name}'s server did not start: {port}{await errors}");
        }

        return new PeerServer(process, number);
    }

    private Process Start(string script, string[] arguments)
    {
        string[] descriptors = _folder == "python" ? ["--descriptors", Descriptors.Value] : [];
        var start = new ProcessStartInfo(_program, [Path.Combine(Root, "tests/interop/grpc", _folder, script + _ending), .. arguments, .. descriptors])
        {
            WorkingDirectory = Path.Combine(Root, "tests/interop"),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        foreach (string proxy in (ReadOnlySpan<string>)["http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
        {
            start.Environment.Remove(proxy);
        }

        return Process.Start(start)!;
    }

    private static bool Works(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static string Output(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, WorkingDirectory = Path.Combine(Root, "tests/interop") })!;
        return process.StandardOutput.ReadToEnd().Trim();
    }

    /// <summary>The services' definitions for a peer that has no compiler of its own, as protoc wrote them.</summary>
    private static string WriteDescriptors()
    {
        var set = new FileDescriptorSet();
        foreach (FileDescriptor file in (ReadOnlySpan<FileDescriptor>)[EmptyReflection.Descriptor, MessagesReflection.Descriptor, TestReflection.Descriptor, HealthReflection.Descriptor])
        {
            set.File.Add(FileDescriptorProto.Parser.ParseFrom(file.SerializedData));
        }

        string path = Path.Combine(AppContext.BaseDirectory, "interop.protoset");
        File.WriteAllBytes(path, set.ToByteArray());
        return path;
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the test's folder");
    }
}

/// <summary>A peer's server process.</summary>
internal sealed class PeerServer(Process process, int port) : IAsyncDisposable
{
    private static readonly TimeSpan Guard = TimeSpan.FromSeconds(10);

    public string Address => $"127.0.0.1:{port}";

    public async ValueTask DisposeAsync()
    {
        process.StandardInput.Close(); // asks it to end
        try
        {
            await process.WaitForExitAsync().WaitAsync(Guard);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
        }

        process.Dispose();
    }
}
