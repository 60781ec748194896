using System.CommandLine;
using System.Text;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Commands;

/// <summary><c>helixflow mcp</c>: the agent queue's tools for programs that start an MCP server and talk to it over its standard streams.</summary>
internal static class McpCommand
{
    public static Command Create()
    {
        var server = new JobServerOptions("");
        var command = new Command("mcp", "Offer a running server's jobs as MCP tools over standard input and output, for desktop assistants (docs/mcp.md)") { server.Url, server.Key, server.Data };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            try
            {
                // Messages are UTF-8 whatever the terminal's encoding is, and nothing else may be written between them.
                using var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
                await using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { NewLine = "\n" };
                using var bridge = new McpBridge(new Uri(arguments.GetValue(server.Url)!), server.KeyOf(arguments), output);
                await bridge.RunAsync(input, cancellationToken);
                return 0;
            }
            catch (Exception exception) when (exception is UriFormatException or IOException or UnauthorizedAccessException)
            {
                await arguments.InvocationConfiguration.Error.WriteLineAsync(exception.Message);
                return 1;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return 0;
            }
        });
        return command;
    }
}
