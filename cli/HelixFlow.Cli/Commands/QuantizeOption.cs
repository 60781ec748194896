using System.CommandLine;
using HelixFlow.Engine.Formats;

namespace HelixFlow.Cli.Commands;

/// <summary>The --quantize option of the commands that load a model.</summary>
internal static class QuantizeOption
{
    private static readonly Dictionary<string, TensorType> Types = new(StringComparer.OrdinalIgnoreCase)
    {
        ["q8_0"] = TensorType.Q8_0,
        ["q4_0"] = TensorType.Q4_0,
        ["q4_k"] = TensorType.Q4_K,
    };

    public static Option<string?> Create()
    {
        var option = new Option<string?>("--quantize") { Description = "Round float weights (F32, F16, BF16) to this type when they are loaded", HelpName = "q8_0|q4_0|q4_k" };
        option.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && !Types.ContainsKey(result.Tokens[0].Value))
            {
                result.AddError($"--quantize: {result.Tokens[0].Value} is not a type that weights are rounded to; it must be q8_0, q4_0 or q4_k");
            }
        });
        return option;
    }

    /// <summary>The type of the option's value; null when it was not given.</summary>
    public static TensorType? TypeOf(string? value) => value is null ? null : Types[value];
}
