using System.Diagnostics;

namespace HelixFlow.Engine.Templates;

/// <summary>What a loop or an assignment gives its values to: a name, or several that take a list apart.</summary>
internal sealed record Target(string? Name, List<Target>? Parts)
{
    public void Assign(RenderContext context, object? value)
    {
        if (Parts is null)
        {
            Debug.Assert(Name is not null);
            context.Set(Name, value);
            return;
        }

        TemplateList values = PythonValue.Items(value);
        if (values.Count != Parts.Count)
        {
            throw new TemplateFault($"{values.Count} values cannot be assigned to {Parts.Count} names");
        }

        for (int i = 0; i < Parts.Count; i++)
        {
            Parts[i].Assign(context, values[i]);
        }
    }
}

/// <summary>A loop in a scope of its own, with Jinja's loop variable, which a recursive loop can call with further items.</summary>
internal sealed class For(Target target, Expression items, Expression? condition, bool isRecursive, List<Statement> body, List<Statement> otherwise, int line)
    : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        object? value = items.Evaluate(context);
        return Loop(context, value, isRecursive ? context.Scopes() : [], depth: 1);
    }

    // A break or continue of the body ends here.
    private Flow Loop(RenderContext context, object? value, IReadOnlyList<Dictionary<string, object?>> scopes, int depth)
    {
        var all = new TemplateList();
        foreach (object? item in PythonValue.Items(value))
        {
            context.Step();
            if (condition is null || Passes(context, item))
            {
                all.Add(item);
            }
        }

        if (all.Count == 0)
        {
            return ExecuteAll(otherwise, context);
        }

        var turn = new LoopTurn(all, depth);
        TemplateFunction? again = !isRecursive ? null : (inner, arguments) =>
            inner.Inside(scopes, () => inner.Capture(() => Loop(inner, arguments.Required(0, "iterable"), scopes, depth + 1)));
        for (; turn.Index < all.Count; turn.Index++)
        {
            context.Push();
            try
            {
                target.Assign(context, all[turn.Index]);
                context.Set("loop", turn.Variable(again));
                if (ExecuteAll(body, context) == Flow.Break)
                {
                    break;
                }
            }
            finally
            {
                context.Pop();
            }
        }

        return Flow.Next;
    }

    private bool Passes(RenderContext context, object? item)
    {
        context.Push();
        try
        {
            target.Assign(context, item);
            return PythonValue.Truth(condition!.Evaluate(context));
        }
        finally
        {
            context.Pop();
        }
    }
}

/// <summary>How far a loop has come.</summary>
internal sealed class LoopTurn(TemplateList all, int depth)
{
    private List<object?>? _lastChanged;

    public int Index { get; set; }

    /// <summary>The loop variable of this turn.</summary>
    public TemplateNamespace Variable(TemplateFunction? call)
    {
        int i = Index;
        var loop = new TemplateNamespace { Call = call, IsFixed = true };
        OrderedDictionary<string, object?> values = loop.Attributes;
        values["index"] = (long)i + 1;
        values["index0"] = (long)i;
        values["revindex"] = (long)(all.Count - i);
        values["revindex0"] = (long)(all.Count - i - 1);
        values["first"] = i == 0;
        values["last"] = i == all.Count - 1;
        values["length"] = (long)all.Count;
        values["depth"] = (long)depth;
        values["depth0"] = (long)depth - 1;
        values["previtem"] = i > 0 ? all[i - 1] : new Undefined("previtem");
        values["nextitem"] = i < all.Count - 1 ? all[i + 1] : new Undefined("nextitem");
        values["cycle"] = (TemplateFunction)((_, arguments) =>
            arguments.Positional.Count == 0 ? throw new TemplateFault("cycle needs values") : arguments.Positional[i % arguments.Positional.Count]);
        values["changed"] = (TemplateFunction)((_, arguments) => Changed(arguments.Positional));
        return loop;
    }

    private bool Changed(List<object?> values)
    {
        bool same = _lastChanged is { } last && last.Count == values.Count && last.Zip(values).All(pair => PythonValue.Same(pair.First, pair.Second));
        _lastChanged = values;
        return !same;
    }
}
