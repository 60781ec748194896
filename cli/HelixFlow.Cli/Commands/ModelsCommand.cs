using System.CommandLine;
using System.Globalization;
using HelixFlow.Cli.Store;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Cli.Commands;

/// <summary>helixflow models list | show | remove.</summary>
internal static class ModelsCommand
{
    public static Command Create()
    {
        Command list = CreateList();
        var command = new Command("models", "List, show and remove the models of the data folder; without a subcommand, as 'models list'")
        {
            list,
            CreateShow(),
            CreateRemove(),
        };
        command.SetAction((result, cancellationToken) => list.Parse([]).InvokeAsync(result.InvocationConfiguration, cancellationToken));
        return command;
    }

    private static Command CreateList()
    {
        Option<string?> data = Terminal.DataOption();
        Option<bool> json = new("--json") { Description = "Print one JSON array" };
        var command = new Command("list", "List the stored models") { data, json };
        command.SetAction(result => List(
            new ModelStore(DataFolder.Resolve(result.GetValue(data))), result.GetValue(json), result.InvocationConfiguration.Output));
        return command;
    }

    private static Command CreateShow()
    {
        Argument<string> model = new("MODEL") { Description = "A stored model's name, or the path of a model" };
        Option<string?> data = Terminal.DataOption();
        Option<bool> json = new("--json") { Description = "Print one JSON object" };
        var command = new Command("show", "Show what a model's files say about it") { model, data, json };
        command.SetAction(result => Guard(result, () => Show(
            new ModelStore(DataFolder.Resolve(result.GetValue(data))).Resolve(result.GetRequiredValue(model)),
            result.GetValue(json),
            result.InvocationConfiguration.Output)));
        return command;
    }

    private static Command CreateRemove()
    {
        Argument<string> model = new("NAME") { Description = "The stored model's name" };
        Option<string?> data = Terminal.DataOption();
        Option<bool> yes = new("--yes", "-y") { Description = "Do not ask" };
        var command = new Command("remove", "Delete a stored model") { model, data, yes };
        command.SetAction(result => Guard(result, () => Remove(
            new ModelStore(DataFolder.Resolve(result.GetValue(data))),
            result.GetRequiredValue(model),
            result.GetValue(yes),
            Console.In,
            result.InvocationConfiguration.Output)));
        return command;
    }

    internal static int List(ModelStore store, bool json, TextWriter output)
    {
        var models = store.List().Select(static m => (Model: m, Inspection: Inspect(m))).ToList();
        if (json)
        {
            Terminal.WriteJson(output, models.Select(static m => new
            {
                m.Model.Name,
                m.Model.Path,
                Kind = KindName(m.Model),
                m.Model.SizeBytes,
                m.Inspection.Details?.Architecture,
                m.Inspection.Details?.Quantisation,
                m.Inspection.Details?.Parameters,
                m.Inspection.Details?.Purpose,
                m.Inspection.Error,
            }));
            return 0;
        }

        if (models.Count == 0)
        {
            output.WriteLine($"No models in {store.Folder}. Fetch one: helixflow pull Qwen/Qwen3-0.6B");
            return 0;
        }

        List<string[]> rows = [["NAME", "FORMAT", "SIZE", "ARCHITECTURE", "TYPE", "PARAMETERS", "PURPOSE"]];
        foreach ((ModelLocation model, (ModelDetails? details, string? error)) in models)
        {
            string[] about = details is null
                ? ["unreadable: " + Terminal.Printable(error!, maxLength: 300)]
                : [Terminal.Printable(details.Architecture ?? "unknown"), details.Quantisation, Terminal.Count(details.Parameters), details.Purpose ?? "not supported"];
            rows.Add([Terminal.Printable(model.Name), KindName(model), Terminal.Bytes(model.SizeBytes), .. about]);
        }

        Terminal.WriteTable(output, rows);
        return 0;
    }

    internal static int Show(ModelLocation model, bool json, TextWriter output)
    {
        ModelDetails details = ModelInspector.Inspect(model);
        if (json)
        {
            Terminal.WriteJson(output, new
            {
                model.Name,
                model.Path,
                Kind = KindName(model),
                model.SizeBytes,
                details.Architecture,
                details.Quantisation,
                details.Parameters,
                details.ContextLength,
                details.VocabularySize,
                details.HasChatTemplate,
                details.Purpose,
                Tensors = details.Types,
                Metadata = details.Metadata.ToDictionary(),
            });
            return 0;
        }

        Terminal.WriteTable(output,
        [
            ["Name", Terminal.Printable(model.Name)],
            ["Path", Terminal.Printable(model.Path, maxLength: 4096)],
            ["Format", KindName(model)],
            ["Size", Terminal.Bytes(model.SizeBytes)],
            ["Architecture", Terminal.Printable(details.Architecture ?? "unknown")],
            ["Type", details.Quantisation],
            ["Parameters", $"{Terminal.Count(details.Parameters)} ({details.Parameters.ToString(CultureInfo.InvariantCulture)})"],
            ["Context length", details.ContextLength?.ToString(CultureInfo.InvariantCulture) ?? "unknown"],
            ["Vocabulary", details.VocabularySize?.ToString(CultureInfo.InvariantCulture) ?? "unknown"],
            ["Chat template", details.HasChatTemplate ? "yes" : "no"],
            ["Purpose", details.Purpose ?? "not supported"],
        ]);
        output.WriteLine();
        Terminal.WriteTable(output,
        [
            ["TYPE", "TENSORS", "PARAMETERS", "SIZE"],
            .. details.Types.Select(static t => (string[])
                [t.Type, t.Tensors.ToString(CultureInfo.InvariantCulture), Terminal.Count(t.Parameters), Terminal.Bytes(t.SizeBytes)]),
        ]);
        if (details.Metadata.Count > 0)
        {
            output.WriteLine();
            Terminal.WriteTable(output,
            [
                ["KEY", "VALUE"],
                .. details.Metadata.Select(static m => (string[])[Terminal.Printable(m.Key), Terminal.Printable(m.Value)]),
            ]);
        }

        return 0;
    }

    internal static int Remove(ModelStore store, string name, bool yes, TextReader input, TextWriter output)
    {
        ModelLocation? model = store.FindByName(name);
        if (model is not null && !yes)
        {
            output.Write($"Delete {model.Path} ({Terminal.Bytes(model.SizeBytes)})? [y/N] ");
            if (input.ReadLine()?.Trim() is not ("y" or "Y" or "yes"))
            {
                output.WriteLine("Kept.");
                return 1;
            }
        }

        store.Remove(name);
        output.WriteLine($"Removed {name}.");
        return 0;
    }

    private static (ModelDetails? Details, string? Error) Inspect(ModelLocation model)
    {
        try
        {
            return (ModelInspector.Inspect(model), null);
        }
        catch (Exception e) when (e is ModelFormatException or IOException or UnauthorizedAccessException)
        {
            return (null, e.Message);
        }
    }

    private static string KindName(ModelLocation model) => model.Kind == ModelKind.Gguf ? "gguf" : "safetensors";

    private static int Guard(ParseResult result, Func<int> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is StoreException or ModelFormatException or IOException or UnauthorizedAccessException)
        {
            result.InvocationConfiguration.Error.WriteLine("error: " + Terminal.Printable(e.Message, maxLength: 1000));
            return 1;
        }
    }
}
