using HelixFlow.Auth;

namespace HelixFlow.Cli.Hosting;

/// <summary>What a server that has started tells the person who started it.</summary>
internal static class Announcement
{
    /// <summary>Of a process with a gateway.</summary>
    public static void Write(ServerOptions options, string url, AdminKey key)
    {
        string what = options.Role == ServerRole.All ? string.Join(", ", options.Node.Models.Select(model => model.Name)) : $"the nodes of {options.Nodes}";
        Console.WriteLine($"HelixFlow serves {what} on {url}/v1 (browse {url}/docs)");
        string bearer = "$" + AdminKey.EnvironmentVariable;
        if (key.IsNew)
        {
            bearer = key.Value;
            Console.WriteLine($"The admin key, shown this once and kept in {Path.Combine(options.DataFolder, AdminKey.FileName)}:");
            Console.WriteLine($"  {key.Value}");
        }

        string model = options.Node.Models.Count > 0 ? options.Node.Models[0].Name : "helix-tiny";
        Console.WriteLine("Try it:");
        Console.WriteLine($"  curl {url}/v1/chat/completions -H \"Authorization: Bearer {bearer}\" -H \"Content-Type: application/json\" \\");
        Console.WriteLine($"    -d '{{\"model\":\"{model}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"What is HelixFlow?\"}}]}}'");
    }

    /// <summary>Of an inference node: its gRPC address, then its HTTP address.</summary>
    public static void Write(ServerOptions options, string[] urls)
    {
        Console.WriteLine($"HelixFlow inference node serves {string.Join(", ", options.Node.Models.Select(model => model.Name))} to gateways on {urls[0]} (health and metrics on {urls[^1]})");
        Console.WriteLine($"Point a gateway at it: helixflow serve --role gateway --nodes static:{urls[0]}");
    }
}
