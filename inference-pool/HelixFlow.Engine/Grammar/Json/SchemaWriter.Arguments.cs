using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar.Json;

internal sealed partial class SchemaWriter
{
    private const string Identifier = "[A-Za-z_$@][A-Za-z0-9_.$@-]*";
    private const string PlainName = """[^<>\s"\\\x00-\x1f]([^<>"\\\x00-\x1f]*[^<>\s"\\\x00-\x1f])?""";

    /// <summary>The symbol of a call's arguments that satisfy a schema, in the notation of the lexemes.</summary>
    /// <param name="schema">The schema.</param>
    /// <param name="text">Of strings as they are, for <see cref="ArgumentNotation.Xml"/>.</param>
    /// <exception cref="GrammarException">The schema is wrong, or asks for what cannot be guaranteed.</exception>
    public Symbol WriteArguments(SchemaNode schema, JsonLexemes? text)
    {
        if (_lexemes.Notation is ArgumentNotation.Json or ArgumentNotation.Gemma)
        {
            return Write(schema);
        }

        _lexemes.Enter();
        Symbol rule = _builder.NewRule("arguments");
        ObjectForm form = _lexemes.Notation == ArgumentNotation.Python ? PythonArguments() : XmlArguments(schema, text!);
        foreach (ObjectShape shape in _evaluator.Evaluate([new SchemaTerm(schema)]).Objects)
        {
            WriteObject(rule, shape, form);
        }

        WritePending();
        return rule;
    }

    private ObjectForm NewForm() => new(
        Bracket("{"),
        _builder.Terminal(_pool.Concat(_lexemes.Space, _lexemes.Literal("}"))),
        _lexemes.Notation == ArgumentNotation.Gemma
            ? (name, isFirst) => _builder.Terminal(_pool.Concat(isFirst ? RegexPool.Empty : _lexemes.Separator(), name, _lexemes.Literal(":")))
            : (name, isFirst) => _builder.Terminal(_pool.Concat(isFirst ? RegexPool.Empty : _lexemes.Separator(), _lexemes.String(name), _lexemes.Literal(":"), _lexemes.Gap)),
        (_, terms) => Value(terms),
        _lexemes.Notation == ArgumentNotation.Gemma ? RegexParser.ParseWhole(Identifier, _pool, _lexemes.Coding) : _pool.Anything);

    private Symbol Bracket(string bracket) => _builder.Terminal(_pool.Concat(_lexemes.Literal(bracket), _lexemes.Space));

    // (a=1, b="x")
    private ObjectForm PythonArguments() => new(
        _builder.Literal("("),
        _builder.Literal(")"),
        (name, isFirst) => _builder.Terminal(_pool.Concat(isFirst ? RegexPool.Empty : _pool.Concat(_lexemes.Literal(","), _lexemes.Gap), name, _lexemes.Literal("="))),
        (_, terms) => Value(terms),
        RegexParser.ParseWhole(Identifier, _pool, _lexemes.Coding));

    private ObjectForm XmlArguments(SchemaNode schema, JsonLexemes text)
    {
        var strings = new SchemaEvaluator(_document, text);
        int end = _lexemes.Literal($"\n{ArgumentNotations.XmlValueEnd}\n");
        return new ObjectForm(
            _builder.Sequence("nothing"),
            _builder.Sequence("nothing"),
            (name, _) => _builder.Terminal(_pool.Concat(_lexemes.Literal("<parameter="), name, _lexemes.Literal(">\n"))),
            ValueOf,
            RegexParser.ParseWhole(PlainName, _pool, _lexemes.Coding));

        Symbol? ValueOf(string name, SchemaTerm[] terms)
        {
            if (name.Length > 0 && !ArgumentNotations.IsText(schema.Json, name))
            {
                return _builder.Sequence("value", Value(terms), _builder.Terminal(end));
            }

            text.Enter();
            int body = text.String(strings.Evaluate(terms).Strings);
            _lexemes.Enter();
            return _pool.IsAlive(body) ? _builder.Terminal(_pool.Concat(body, end)) : null;
        }
    }

    /// <summary>How an object is written.</summary>
    /// <param name="Open">Before its members.</param>
    /// <param name="Close">Behind them.</param>
    /// <param name="Key">Stands before a member's value: of the name's expression, and whether it is the first member.</param>
    /// <param name="Value">A member's value with what follows it: of the name, which is empty where it is not known, and of its schemas. Null for none.</param>
    /// <param name="Names">The names that can be written.</param>
    private sealed record ObjectForm(Symbol Open, Symbol Close, Func<int, bool, Symbol> Key, Func<string, SchemaTerm[], Symbol?> Value, int Names);
}
