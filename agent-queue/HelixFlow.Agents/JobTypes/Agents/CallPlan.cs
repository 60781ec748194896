using System.Text;
using System.Text.Json;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.JobTypes.Agents;

/// <summary>A call of a tool as a step.</summary>
/// <param name="Tool">Its name.</param>
/// <param name="Identity">What it depends on besides the arguments.</param>
/// <param name="Arguments">An object.</param>
/// <param name="MostCharacters">Most characters of the result.</param>
internal sealed record ToolCall(string Tool, string Identity, JsonElement Arguments, int MostCharacters);

/// <summary>What is to become of a call that the model asks for: it is made, or refused and the model told why.</summary>
/// <param name="Address">Its step.</param>
/// <param name="Asked">What the model wrote.</param>
/// <param name="Tool">The tool; null when there is none of the name.</param>
/// <param name="Arguments">The arguments, when they will do.</param>
/// <param name="Refusal">Why it is not made; null when it is.</param>
/// <param name="IsRepeated">Whether that is because the same call was made too often.</param>
internal sealed record CallPlan(string Address, ModelToolCall Asked, ITool? Tool, JsonElement Arguments, string? Refusal, bool IsRepeated = false);

/// <summary>Decides about calls. A function of the conversation alone, so that a run that is executed again decides the same.</summary>
/// <param name="toolbox">The tools.</param>
internal sealed class CallPlanner(Toolbox toolbox)
{
    /// <summary>So often the same call is made; who polls for something that takes long does not need a model for it.</summary>
    public const int MostRepeats = 3;

    private readonly Dictionary<string, int> _made = new(StringComparer.Ordinal);

    /// <summary>Decides about a turn's calls, in order.</summary>
    /// <param name="turn">The turn's address.</param>
    /// <param name="calls">What the model asks for.</param>
    /// <param name="most">How many may be made.</param>
    public List<CallPlan> Plan(string turn, IReadOnlyList<ModelToolCall> calls, int most)
    {
        var plans = new List<CallPlan>(calls.Count);
        for (int i = 0; i < calls.Count; i++)
        {
            CallPlan plan = Plan($"{turn}/call/{i + 1}", calls[i]);
            plans.Add(plan.Refusal is null && most-- <= 0 ? plan with { Refusal = "This call was not made: the budget of steps is used up." } : plan);
        }

        return plans;
    }

    /// <summary>What is wrong with arguments for a tool; null when nothing is known to be.</summary>
    public string? Check(string tool, JsonElement arguments)
    {
        IReadOnlyList<(string Pointer, string Detail)> errors = toolbox.Find(tool)!.Schema.Check(arguments);
        return errors.Count == 0 ? null : $"The arguments are wrong: {string.Join("; ", errors.Take(8).Select(static error => $"'{(error.Pointer.Length == 0 ? "/" : error.Pointer)}' {error.Detail}"))}.";
    }

    private CallPlan Plan(string address, ModelToolCall call)
    {
        if (toolbox.Find(call.Name)?.Tool is not { } tool)
        {
            return new CallPlan(address, call, null, default, $"There is no tool '{call.Name}'. There are: {toolbox.Names}.");
        }

        JsonElement arguments;
        string canonical;
        try
        {
            arguments = JsonElement.Parse(string.IsNullOrWhiteSpace(call.Arguments) ? "{}" : call.Arguments, new JsonDocumentOptions { AllowDuplicateProperties = false });
            canonical = Encoding.UTF8.GetString(CanonicalJson.Of(arguments));
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            return new CallPlan(address, call, tool, default, $"The arguments are no JSON: {exception.Message}");
        }

        if (Check(call.Name, arguments) is { } problem)
        {
            return new CallPlan(address, call, tool, default, problem);
        }

        string key = $"{call.Name} {canonical}";
        int before = _made.GetValueOrDefault(key);
        _made[key] = before + 1;
        return before < MostRepeats ? new CallPlan(address, call, tool, arguments, null)
            : new CallPlan(address, call, tool, arguments, $"This same call was made {MostRepeats} times before. Do something else, or answer with what you know.", IsRepeated: true);
    }
}
