namespace HelixFlow.Engine.Templates;

/// <summary>What can stand behind "is".</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Func<CallArguments, bool>> All = new(StringComparer.Ordinal)
    {
        ["defined"] = a => Value(a) is not Undefined,
        ["undefined"] = a => Value(a) is Undefined,
        ["none"] = a => Value(a) is null,
        ["boolean"] = a => Value(a) is bool,
        ["true"] = a => Value(a) is true,
        ["false"] = a => Value(a) is false,
        ["integer"] = a => Value(a) is long,
        ["float"] = a => Value(a) is double,
        ["number"] = a => Value(a) is long or double or bool,
        ["string"] = a => Value(a) is string,
        ["mapping"] = a => Value(a) is OrderedDictionary<string, object?>,
        ["sequence"] = a => Value(a) is string or TemplateList { IsIndexable: true } or OrderedDictionary<string, object?> or Undefined,
        ["iterable"] = a => Value(a) is string or TemplateList or OrderedDictionary<string, object?> or Undefined,
        ["callable"] = a => Value(a) is TemplateFunction or TemplateNamespace { Call: not null },
        ["escaped"] = _ => false,
        ["odd"] = a => (Integer(a) & 1) == 1,
        ["even"] = a => (Integer(a) & 1) == 0,
        ["divisibleby"] = a => PythonValue.Integer(Other(a)) is { } divisor and not 0 ? Integer(a) % divisor == 0 : throw new TemplateFault("divisibleby takes an integer other than 0"),
        ["lower"] = a => PythonText.Str(Value(a)) is var text && text.Any(char.IsLetter) && !text.Any(char.IsUpper),
        ["upper"] = a => PythonText.Str(Value(a)) is var text && text.Any(char.IsLetter) && !text.Any(char.IsLower),
        ["in"] = a => PythonValue.Contains(Other(a), Value(a)),
        ["sameas"] = a => ReferenceEquals(Value(a), Other(a)) || (Value(a) is null or bool && PythonValue.Same(Value(a), Other(a))),
        ["filter"] = a => Filters.IsKnown(PythonText.Str(Value(a))),
        ["test"] = a => IsKnown(PythonText.Str(Value(a))),
        ["eq"] = Equal,
        ["equalto"] = Equal,
        ["=="] = Equal,
        ["ne"] = a => !Equal(a),
        ["!="] = a => !Equal(a),
        ["lt"] = a => PythonValue.Compare(Value(a), Other(a)) < 0,
        ["lessthan"] = a => PythonValue.Compare(Value(a), Other(a)) < 0,
        ["<"] = a => PythonValue.Compare(Value(a), Other(a)) < 0,
        ["le"] = a => PythonValue.Compare(Value(a), Other(a)) <= 0,
        ["<="] = a => PythonValue.Compare(Value(a), Other(a)) <= 0,
        ["gt"] = a => PythonValue.Compare(Value(a), Other(a)) > 0,
        ["greaterthan"] = a => PythonValue.Compare(Value(a), Other(a)) > 0,
        [">"] = a => PythonValue.Compare(Value(a), Other(a)) > 0,
        ["ge"] = a => PythonValue.Compare(Value(a), Other(a)) >= 0,
        [">="] = a => PythonValue.Compare(Value(a), Other(a)) >= 0,
    };

    public static bool IsKnown(string name) => All.ContainsKey(name);

    public static Func<CallArguments, bool> Find(string name) =>
        All.TryGetValue(name, out Func<CallArguments, bool>? test) ? test : throw new TemplateFault($"there is no test '{name}'");

    private static object? Value(CallArguments arguments) => arguments.Positional[0];

    private static object? Other(CallArguments arguments) => arguments.Required(1, "other");

    private static bool Equal(CallArguments arguments) => PythonValue.Same(Value(arguments), Other(arguments));

    private static long Integer(CallArguments arguments) =>
        PythonValue.Integer(Value(arguments)) ?? throw new TemplateFault($"{PythonValue.TypeName(Value(arguments))} is no integer");
}
