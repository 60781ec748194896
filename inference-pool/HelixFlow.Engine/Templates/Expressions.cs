namespace HelixFlow.Engine.Templates;

/// <summary>A part of a template that has a value.</summary>
internal abstract class Expression(int line)
{
    public int Line { get; } = line;

    public object? Evaluate(RenderContext context)
    {
        context.Step();
        context.Line = Line;
        return Compute(context);
    }

    protected abstract object? Compute(RenderContext context);
}

internal sealed class Literal(object? value, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context) => value;
}

internal sealed class NameReference(string name, int line) : Expression(line)
{
    public string Name { get; } = name;

    protected override object? Compute(RenderContext context) => context.Get(Name);
}

internal sealed class ListLiteral(List<Expression> items, bool isTuple, int line) : Expression(line)
{
    public IReadOnlyList<Expression> Items => items;

    protected override object? Compute(RenderContext context) => new TemplateList(items.Select(item => item.Evaluate(context))) { IsTuple = isTuple };
}

internal sealed class DictLiteral(List<(Expression Key, Expression Value)> entries, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context)
    {
        OrderedDictionary<string, object?> map = [];
        foreach ((Expression key, Expression value) in entries)
        {
            object? name = key.Evaluate(context);
            map[name as string ?? throw new TemplateFault($"the keys of a dict must be strings here, not {PythonValue.TypeName(name)}")] = value.Evaluate(context);
        }

        return map;
    }
}

/// <summary>a.b and a[b]: items of dictionaries, attributes of namespaces and loops, methods.</summary>
internal sealed class Access(Expression target, Expression key, bool isAttribute, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context)
    {
        object? value = target.Evaluate(context);
        object? index = key.Evaluate(context);
        switch (value, index)
        {
            case (Undefined undefined, _):
                throw new TemplateFault($"'{undefined.Name}' is undefined");
            case (OrderedDictionary<string, object?>, string name) when isAttribute && Methods.Find(value, name) is { } method:
                return method;
            case (OrderedDictionary<string, object?> map, string name):
                return map.TryGetValue(name, out object? item) ? item : (object?)Methods.Find(value, name) ?? new Undefined(name);
            case (TemplateNamespace space, string name):
                return space.Attributes.TryGetValue(name, out object? attribute) ? attribute : new Undefined(name);
            case (TemplateList { IsIndexable: true } list, _) when PythonValue.Integer(index) is { } i:
                i += i < 0 ? list.Count : 0;
                return i >= 0 && i < list.Count ? list[(int)i] : new Undefined($"index {i}");
            case (string text, _) when PythonValue.Integer(index) is { } i:
                TemplateList runes = PythonValue.Items(text);
                context.Step(text.Length / 16);
                i += i < 0 ? runes.Count : 0;
                return i >= 0 && i < runes.Count ? runes[(int)i] : new Undefined($"index {i}");
            case (TemplateList { Names: { } names } named, string name) when Array.IndexOf(names, name) is >= 0 and var place:
                return named[place];
            case (_, string name):
                return (object?)Methods.Find(value, name) ?? new Undefined(name);
            default:
                return new Undefined(PythonText.Str(index));
        }
    }
}

internal sealed class Slice(Expression target, Expression? start, Expression? stop, Expression? step, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context)
    {
        object? value = target.Evaluate(context);
        TemplateList items = PythonValue.Items(value);
        context.Step(items.Count / 16);
        long stride = Bound(step, context) ?? 1;
        if (stride == 0)
        {
            throw new TemplateFault("a slice's step cannot be zero");
        }

        long count = items.Count;
        long low = stride > 0 ? 0 : -1;
        long high = stride > 0 ? count : count - 1;
        long from = Bound(start, context) is { } first ? Math.Clamp(first < 0 ? first + count : first, low, high) : stride > 0 ? low : high;
        long to = Bound(stop, context) is { } last ? Math.Clamp(last < 0 ? last + count : last, low, high) : stride > 0 ? high : low;
        var result = new TemplateList { IsTuple = items.IsTuple };
        for (long i = from; stride > 0 ? i < to : i > to; i += stride)
        {
            result.Add(items[(int)i]);
        }

        return value is string ? string.Concat(result) : result;
    }

    private static long? Bound(Expression? bound, RenderContext context) => bound?.Evaluate(context) switch
    {
        null => null,
        var value => PythonValue.Integer(value) ?? throw new TemplateFault("a slice's bounds are integers"),
    };
}

/// <summary>Positional, named and spread arguments of a call, filter or test.</summary>
internal sealed record ArgumentList(List<Expression> Positional, List<(string Name, Expression Value)> Named)
{
    public static ArgumentList None { get; } = new([], []);

    public CallArguments Evaluate(RenderContext context, params ReadOnlySpan<object?> leading)
    {
        List<object?> positional = [.. leading];
        foreach (Expression argument in Positional)
        {
            if (argument is Spread spread)
            {
                positional.AddRange(PythonValue.Items(spread.Evaluate(context)));
            }
            else
            {
                positional.Add(argument.Evaluate(context));
            }
        }

        var named = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach ((string name, Expression value) in Named)
        {
            if (value is not Spread spread)
            {
                named[name] = value.Evaluate(context);
                continue;
            }

            if (spread.Evaluate(context) is not OrderedDictionary<string, object?> map)
            {
                throw new TemplateFault("** takes a dict");
            }

            foreach ((string key, object? item) in map)
            {
                named[key] = item;
            }
        }

        return new CallArguments(positional, named);
    }
}

/// <summary>*list or **dict among the arguments of a call.</summary>
internal sealed class Spread(Expression value, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context) => value.Evaluate(context);
}

internal sealed class Call(Expression target, ArgumentList arguments, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context) => Invoke(context, null);

    /// <summary>Calls with a call block's body as the named argument "caller".</summary>
    public object? Invoke(RenderContext context, TemplateFunction? caller)
    {
        object? function = target.Evaluate(context);
        CallArguments evaluated = arguments.Evaluate(context);
        if (caller is not null)
        {
            evaluated.Named["caller"] = caller;
        }

        context.Line = Line;
        return function switch
        {
            TemplateFunction callable => context.Deeper(() => callable(context, evaluated)),
            TemplateNamespace { Call: { } callable } => context.Deeper(() => callable(context, evaluated)),
            Undefined undefined => throw new TemplateFault($"'{undefined.Name}' is undefined and cannot be called"),
            _ => throw new TemplateFault($"{PythonValue.TypeName(function)} cannot be called"),
        };
    }
}

internal sealed class Filtered(Expression value, string name, ArgumentList arguments, int line) : Expression(line)
{
    private readonly Func<RenderContext, CallArguments, object?> _filter = Filters.Find(name);

    protected override object? Compute(RenderContext context)
    {
        CallArguments evaluated = arguments.Evaluate(context, value.Evaluate(context));
        context.Line = Line;
        object? result = _filter(context, evaluated);
        return result is string text ? context.Made(text) : result;
    }
}

internal sealed class Tested(Expression value, string name, ArgumentList arguments, bool negated, int line) : Expression(line)
{
    private readonly Func<CallArguments, bool> _test = Tests.Find(name);

    protected override object? Compute(RenderContext context) => _test(arguments.Evaluate(context, value.Evaluate(context))) != negated;
}

internal sealed class Not(Expression value, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context) => !PythonValue.Truth(value.Evaluate(context));
}

/// <summary>and, or: the value of the side that decides.</summary>
internal sealed class Logical(Expression left, Expression right, bool isAnd, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context)
    {
        object? value = left.Evaluate(context);
        return PythonValue.Truth(value) == isAnd ? right.Evaluate(context) : value;
    }
}

internal sealed class Conditional(Expression condition, Expression then, Expression? otherwise, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context) =>
        PythonValue.Truth(condition.Evaluate(context)) ? then.Evaluate(context) : otherwise is null ? new Undefined("the else of an inline if") : otherwise.Evaluate(context);
}

/// <summary>a &lt; b &lt;= c: every neighbouring pair must hold.</summary>
internal sealed class Comparison(Expression first, List<(string Operator, Expression Operand)> rest, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context)
    {
        object? left = first.Evaluate(context);
        foreach ((string op, Expression operand) in rest)
        {
            object? right = operand.Evaluate(context);
            bool holds = op switch
            {
                "==" => PythonValue.Same(left, right),
                "!=" => !PythonValue.Same(left, right),
                "in" => PythonValue.Contains(right, left),
                "not in" => !PythonValue.Contains(right, left),
                "<" => PythonValue.Compare(left, right) < 0,
                "<=" => PythonValue.Compare(left, right) <= 0,
                ">" => PythonValue.Compare(left, right) > 0,
                _ => PythonValue.Compare(left, right) >= 0,
            };
            if (!holds)
            {
                return false;
            }

            left = right;
        }

        return true;
    }
}

internal sealed class Negation(Expression value, bool isMinus, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context) => value.Evaluate(context) switch
    {
        double number => (object)(isMinus ? -number : number),
        var other when PythonValue.Integer(other) is { } integer => (object)(isMinus ? checked(-integer) : integer),
        var other => throw new TemplateFault($"{PythonValue.TypeName(other)} has no sign"),
    };
}

internal sealed class Arithmetic(Expression left, string op, Expression right, int line) : Expression(line)
{
    protected override object? Compute(RenderContext context)
    {
        object? a = left.Evaluate(context);
        object? b = right.Evaluate(context);
        context.Line = Line;
        try
        {
            return Apply(context, a, b);
        }
        catch (Exception exception) when (exception is OverflowException or DivideByZeroException)
        {
            throw new TemplateFault(exception is OverflowException ? "an integer grows beyond 64 bits" : "division by zero");
        }
    }

    private object? Apply(RenderContext context, object? a, object? b)
    {
        switch (op, a, b)
        {
            case ("~", _, _):
                return context.Made(PythonText.Str(a) + PythonText.Str(b));
            case ("+", string x, string y):
                return context.Made(x + y);
            case ("+", TemplateList { View: null } x, TemplateList { View: null } y) when x.IsOfKind(y):
                context.Step(x.Count + y.Count);
                return new TemplateList(x.Concat(y)) { IsTuple = x.IsTuple };
            case ("*", string text, _) when PythonValue.Integer(b) is { } times:
                return Repeat(context, text, times);
            case ("*", _, string text) when PythonValue.Integer(a) is { } times:
                return Repeat(context, text, times);
            case ("*", TemplateList list, _) when PythonValue.Integer(b) is { } times:
                context.Step(checked(Math.Max(times, 0) * list.Count));
                return new TemplateList(Enumerable.Range(0, (int)Math.Max(times, 0)).SelectMany(_ => list)) { IsTuple = list.IsTuple };
            case ("%", string format, _):
                return context.Made(StringFormat.Percent(format, b));
        }

        if (PythonValue.Integer(a) is { } i && PythonValue.Integer(b) is { } j && op != "/" && !(op == "**" && j < 0))
        {
            return op switch
            {
                "+" => checked(i + j),
                "-" => checked(i - j),
                "*" => checked(i * j),
                "//" => FloorDivide(i, j),
                "%" => checked(i - (FloorDivide(i, j) * j)),
                _ => Power(i, j),
            };
        }

        if (PythonValue.Number(a) is not { } u || PythonValue.Number(b) is not { } v)
        {
            throw new TemplateFault($"{PythonValue.TypeName(a)} {op} {PythonValue.TypeName(b)} has no meaning");
        }

        if (v == 0 && (op is "/" or "//" or "%"))
        {
            throw new DivideByZeroException();
        }

        return op switch
        {
            "+" => u + v,
            "-" => u - v,
            "*" => u * v,
            "/" => u / v,
            "//" => Math.Floor(u / v),
            "%" => u - (Math.Floor(u / v) * v),
            _ => Math.Pow(u, v),
        };
    }

    private static string Repeat(RenderContext context, string text, long times)
    {
        if (text.Length * (double)times > context.Limits.MaxCharacters)
        {
            throw new TemplateFault($"the text grows beyond {context.Limits.MaxCharacters} characters", isLimit: true);
        }

        return context.Made(times <= 0 ? "" : string.Concat(Enumerable.Repeat(text, (int)times)));
    }

    private static long FloorDivide(long a, long b)
    {
        long quotient = checked(a / b);
        return (a % b != 0) && ((a < 0) != (b < 0)) ? quotient - 1 : quotient;
    }

    private static long Power(long value, long exponent)
    {
        // Anything but 0, 1 and -1 overflows long before the loop gets long.
        exponent = value is 0 or 1 or -1 ? exponent == 0 ? 0 : 2 - (exponent & 1) : exponent;
        long result = 1;
        for (; exponent > 0; exponent--)
        {
            result = checked(result * value);
        }

        return result;
    }
}
