using HelixFlow.Engine.Grammar;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.InferenceNode.Generation;

/// <summary>What a request's answer must look like, compiled for the model's tokens.</summary>
internal static class ConstraintMapping
{
    private const int LongestText = 512 * 1024; // characters; compiled ones are kept together with their texts

    /// <returns>Null when anything will do.</returns>
    /// <exception cref="InferenceException">The constraint is wrong or cannot be guaranteed.</exception>
    public static TokenGrammar? Compile(GenerateRequest request, CompiledConstraints known)
    {
        Constraint? constraint = request.ConstraintCase switch
        {
            GenerateRequest.ConstraintOneofCase.JsonSchema => new Constraint.JsonSchema(request.JsonSchema),
            GenerateRequest.ConstraintOneofCase.JsonObject => request.JsonObject ? new Constraint.JsonObject() : null,
            GenerateRequest.ConstraintOneofCase.Regex => new Constraint.Regex(request.Regex),
            GenerateRequest.ConstraintOneofCase.Grammar => new Constraint.Grammar(request.Grammar),
            GenerateRequest.ConstraintOneofCase.Choice => new Constraint.Choice([.. request.Choice.Texts]),
            _ => null,
        };
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

        static InferenceException Refusal(string reason, Exception? cause) => new(InferenceError.InvalidArgument, reason + ".", "constraint", cause);
    }

    private static long LengthOf(GenerateRequest request) =>
        (long)request.JsonSchema.Length + request.Regex.Length + request.Grammar.Length + (request.Choice?.Texts.Sum(static text => (long)text.Length) ?? 0);
}
