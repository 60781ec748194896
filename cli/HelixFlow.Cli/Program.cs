using System.CommandLine;
using HelixFlow.Cli.Commands;

return await new RootCommand("HelixFlow") { ModelsCommand.Create(), PullCommand.Create() }.Parse(args).InvokeAsync().ConfigureAwait(false);
