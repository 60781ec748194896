using System.CommandLine;
using HelixFlow.Cli.Commands;

return await new RootCommand("HelixFlow") { ModelsCommand.Create() }.Parse(args).InvokeAsync().ConfigureAwait(false);
