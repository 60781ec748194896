using System.Text.Json.Nodes;

namespace HelixFlow.Engine.Tests.Templates;

/// <summary>Makes small templates out of expressions, filters, tests and statements that mean something for <see cref="Variables"/>.</summary>
internal sealed class SnippetGenerator(Random random)
{
    private static readonly string[] Texts = ["s", "t", "'it\\'s'", "\"two words\"", "l[0]", "d.name", "d['name']", "u", "''", "(s ~ i)", "s[1:]", "s[::-1]", "('a' if b else s)"];
    private static readonly string[] Numbers = ["i", "j", "3", "-2", "l|length", "d.n", "(i + 1)", "0"];
    private static readonly string[] Lists = ["l", "m", "[1, 2, 3]", "[]", "l[1:]", "l[::-1]", "m[-2:]", "(l + ['x'])", "d.keys() | list", "range(4) | list", "s.split(' ')", "rows | map(attribute='k') | list"];
    private static readonly string[] Anything = ["none", "true", "false", "missing", "d", "f", "rows"];
    private static readonly string[] TextFilters = ["upper", "lower", "trim", "title", "capitalize", "length", "replace('o', '0')", "default('z')", "string", "tojson", "list", "first", "last", "reverse", "indent(2)", "wordcount", "join('-')"];
    private static readonly string[] TextMethods = [".strip()", ".upper()", ".lower()", ".title()", ".capitalize()", ".split()", ".split('o')", ".split(' ', 1)", ".replace('l', 'L')", ".startswith('h')", ".endswith('d')", ".lstrip('h')", ".rstrip()", ".find('l')", ".count('l')", ".isdigit()"];
    private static readonly string[] ListFilters = ["length", "join(', ')", "first", "last", "list", "reverse | list", "tojson", "unique | list", "map('string') | list", "select | list", "reject('none') | list", "string"];
    private static readonly string[] NumberFilters = ["abs", "float", "int", "string", "tojson", "default(5)"];
    private static readonly string[] NumberOperators = ["+", "-", "*", "//", "%", "/", "==", "<", ">=", "!="];
    private static readonly string[] Checks = ["defined", "none", "string", "number", "mapping", "iterable", "sequence", "boolean", "integer", "float", "true", "false"];

    public static JsonObject Variables() => new()
    {
        ["s"] = "hello world",
        ["t"] = "  Größe 東京 😀\n",
        ["u"] = "42",
        ["i"] = 7,
        ["j"] = -3,
        ["f"] = 2.5,
        ["b"] = true,
        ["l"] = new JsonArray("x", "y y", "z"),
        ["m"] = new JsonArray(3, 1, 2, 3),
        ["d"] = new JsonObject { ["name"] = "Zoë", ["n"] = 5, ["list"] = new JsonArray(1, "a", null, true, 1.0) },
        ["rows"] = new JsonArray(new JsonObject { ["k"] = "b", ["v"] = 1 }, new JsonObject { ["k"] = "a", ["v"] = 2 }),
    };

    public string Next() => random.Next(7) switch
    {
        0 => $"{{% if {Condition()} %}}A{Print()}{{% elif {Condition()} %}}\n B {{% else %}} C{Print()} {{% endif %}}\nend",
        1 => $"{{%- for x in {One(Lists)} {(random.Next(3) == 0 ? "if x is defined" : "")} %}}\n  {{{{- loop.index }}}}{{{{ x }}}}{{% if not loop.last %}},{{% endif %}}\n{{%- else %}}none{{% endfor -%}}\n done",
        2 => $"{{% set v = {Expression()} %}} {{{{ v }}}} {{% set ns = namespace(c=0) %}}{{% for x in m %}}{{% set ns.c = ns.c + x %}}{{% endfor %}}{{{{ ns.c }}}}",
        3 => $"a\n  {{%{Sign()} if {Condition()} {Sign()}%}}\n  b\n  {{%{Sign()} endif {Sign()}%}}\n  c {{#{Sign()} note {Sign()}#}}\n d",
        4 => $"{{% for k, v in d.items() %}}{{{{ k }}}}={{{{ v }}}};{{% endfor %}}{Print()}",
        _ => Print() + "|" + Print(),
    };

    private string Print() => $"{{{{{(random.Next(4) == 0 ? "-" : "")} {Expression()} {(random.Next(4) == 0 ? "-" : "")}}}}}";

    private string Expression() => random.Next(9) switch
    {
        0 => $"{One(Texts)} | {One(TextFilters)}",
        1 => $"({One(Texts)}){One(TextMethods)}",
        2 => $"{One(Lists)} | {One(ListFilters)}",
        3 => $"{One(Numbers)} {One(NumberOperators)} {One(Numbers)}",
        4 => $"({One(Numbers)}) | {One(NumberFilters)}",
        5 => $"{One(Texts)} ~ {One(Anything)} ~ {One(Numbers)}",
        6 => One(Anything),
        7 => $"{One(Texts)} if {Condition()} else {One(Numbers)}",
        _ => $"[{One(Texts)}, {One(Numbers)}, {One(Anything)}] | string",
    };

    private string Condition() => random.Next(6) switch
    {
        0 => $"{One(Anything)} is {(random.Next(2) == 0 ? "not " : "")}{One(Checks)}",
        1 => $"{One(Texts)} in {One(Lists)}",
        2 => $"'l' {(random.Next(2) == 0 ? "not " : "")}in {One(Texts)}",
        3 => $"{One(Numbers)} < {One(Numbers)} and not {One(Anything)}",
        4 => $"({One(Numbers)}) is {One(["odd", "even", "divisibleby(3)", "gt(2)", "eq(7)"])}",
        _ => $"{One(Texts)} == {One(Texts)} or {One(Lists)}",
    };

    private string Sign() => One(["", "", "-", "+"]);

    private string One(string[] options) => options[random.Next(options.Length)];
}
