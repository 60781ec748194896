using HelixFlow.Engine.Grammar;
using HelixFlow.InferenceNode.Answers;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>What a request's answer must look like, compiled for the model's tokens.</summary>
internal static class ConstraintMapping
{
    private const int LongestText = 512 * 1024; // characters; compiled ones are kept together with their texts

    /// <summary>What the request demands of the content; null when anything will do.</summary>
    /// <param name="request">The request.</param>
    /// <param name="whiteSpace">Between tokens of JSON.</param>
    public static Constraint? Of(GenerateRequest request, JsonWhiteSpace whiteSpace) => request.ConstraintCase switch
    {
        GenerateRequest.ConstraintOneofCase.JsonSchema => new Constraint.JsonSchema(request.JsonSchema, whiteSpace),
        GenerateRequest.ConstraintOneofCase.JsonObject => request.JsonObject ? new Constraint.JsonObject(whiteSpace) : null,
        GenerateRequest.ConstraintOneofCase.Regex => new Constraint.Regex(request.Regex),
        GenerateRequest.ConstraintOneofCase.Grammar => new Constraint.Grammar(request.Grammar),
        GenerateRequest.ConstraintOneofCase.Choice => new Constraint.Choice([.. request.Choice.Texts]),
        _ => null,
    };

    /// <param name="constraint">What the whole answer must look like.</param>
    /// <param name="request">The request it is of.</param>
    /// <param name="tools">The request's tools.</param>
    /// <param name="known">Constraints compiled before.</param>
    /// <returns>Null when anything will do.</returns>
    /// <exception cref="InferenceException">The constraint is wrong or cannot be guaranteed.</exception>
    public static TokenGrammar? Compile(Constraint? constraint, GenerateRequest request, ToolCatalog? tools, CompiledConstraints known)
    {
        if (constraint is null)
        {
            return null;
        }

        if (LengthOf(request) is var length and > LongestText)
        {
            throw Refusal($"it has {length} characters; at most {LongestText} are possible", null);
        }

        try
        {
            return known.Get(constraint);
        }
        catch (GrammarException exception)
        {
            throw Refusal(exception.Message, exception);
        }

        InferenceException Refusal(string reason, GrammarException? cause) => cause?.Subject is { } tool
            ? new(InferenceError.InvalidArgument, $"Invalid schema for function '{tool}': {reason}.", $"tools[{tools!.IndexOf(tool)}].function.parameters", cause)
            : new(InferenceError.InvalidArgument, reason + ".", "constraint", cause);
    }

    private static long LengthOf(GenerateRequest request) =>
        (long)request.JsonSchema.Length + (request.Chat?.ToolsJson.Length ?? 0) + request.Regex.Length + request.Grammar.Length + (request.Choice?.Texts.Sum(static text => (long)text.Length) ?? 0);
}
