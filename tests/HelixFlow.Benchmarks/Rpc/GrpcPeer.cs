using System.Diagnostics;

namespace HelixFlow.Benchmarks.Rpc;

/// <summary>An implementation of the benchmark: how to start its server and its client.</summary>
internal sealed record GrpcPeer(string Name, Func<GrpcScenario, ProcessStartInfo> Server, Func<GrpcScenario, string, ProcessStartInfo> Client)
{
    public const string CSharp = "csharp";
    public const string JavaScript = "js";
    public const string Cpp = "cpp";

    private static readonly string Root = FindRoot();

    /// <summary>Makes a peer ready to start.</summary>
    /// <exception cref="InvalidOperationException">Something is not installed; the message says what to do.</exception>
    public static GrpcPeer Prepare(string name, string? cppServer, string? cppClient) => name switch
    {
        CSharp => new GrpcPeer(
            name, static _ => Start(Environment.ProcessPath!, BenchServer.Name), static (_, address) => Start(Environment.ProcessPath!, BenchClient.Name, address)),
        JavaScript => PrepareJavaScript(),
        Cpp => PrepareCpp(cppServer, cppClient),
        _ => throw new InvalidOperationException($"There is no peer '{name}'; {CSharp}, {JavaScript} and {Cpp} are."),
    };

    private static GrpcPeer PrepareJavaScript()
    {
        string folder = Path.Combine(Root, "tests/grpc-bench/js");
        return Directory.Exists(Path.Combine(folder, "node_modules/@grpc/grpc-js"))
            ? new GrpcPeer(
                JavaScript,
                _ => Start("node", Path.Combine(folder, "server.mjs")),
                (_, address) => Start("node", Path.Combine(folder, "client.mjs"), address))
            : throw new InvalidOperationException("@grpc/grpc-js is not installed: npm ci --ignore-scripts --prefix tests/grpc-bench/js");
    }

    private static GrpcPeer PrepareCpp(string? server, string? client)
    {
        string folder = Path.Combine(Root, "tests/grpc-bench/cpp");
        string output = Path.Combine(Root, "artifacts/grpc-bench");
        string[] binaries = [Path.Combine(output, "bench_server"), Path.Combine(output, "bench_client")];
        DateTime changed = Directory.EnumerateFiles(Path.Combine(Root, "tests/grpc-bench"), "*.proto", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(folder)).Max(File.GetLastWriteTimeUtc);
        if (!binaries.All(binary => File.Exists(binary) && File.GetLastWriteTimeUtc(binary) > changed))
        {
            Console.Error.WriteLine("Building the C++ peer…");
            ProcessStartInfo build = Start("sh", Path.Combine(folder, "build.sh"), output);
            build.RedirectStandardInput = build.RedirectStandardOutput = false;
            build.RedirectStandardError = true;
            using Process process = Process.Start(build)!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                throw new InvalidOperationException("The C++ peer cannot be built. " + errors.Trim());
            }
        }

        return new GrpcPeer(
            Cpp,
            scenario => Start(binaries[0], (server ?? scenario.CppServer).Split(' ')),
            (scenario, address) => Start(binaries[1], address, client ?? scenario.CppClient));
    }

    private static ProcessStartInfo Start(string file, params string[] arguments) =>
        new(file, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false };

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "HelixFlow.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("HelixFlow.sln was not found above the benchmark's folder.");
    }
}
