namespace HelixFlow.Engine.Templates;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A part of a template that writes or changes something.</summary>
internal abstract class Statement(int line)
{
    public Flow Execute(RenderContext context)
    {
        context.Step();
        context.Line = line;
        return Run(context);
    }

    public static Flow ExecuteAll(IReadOnlyList<Statement> body, RenderContext context)
    {
        foreach (Statement statement in body)
        {
            if (statement.Execute(context) is var flow and not Flow.Next)
            {
                return flow;
            }
        }

        return Flow.Next;
    }

    protected abstract Flow Run(RenderContext context);
}

internal sealed class Text(string text, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Write(text);
        return Flow.Next;
    }
}

internal sealed class Print(Expression value, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Write(PythonText.Str(value.Evaluate(context)));
        return Flow.Next;
    }
}

internal sealed class If(List<(Expression Condition, List<Statement> Body)> branches, List<Statement> otherwise, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        foreach ((Expression condition, List<Statement> body) in branches)
        {
            if (PythonValue.Truth(condition.Evaluate(context)))
            {
                return ExecuteAll(body, context);
            }
        }

        return ExecuteAll(otherwise, context);
    }
}

/// <summary>A loop in a scope of its own, with Jinja's loop variable.</summary>
internal sealed class For(List<string> names, Expression items, Expression? condition, List<Statement> body, List<Statement> otherwise, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        var all = new TemplateList();
        foreach (object? item in PythonValue.Items(items.Evaluate(context)))
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

        for (int i = 0; i < all.Count; i++)
        {
            context.Push();
            try
            {
                Assign(context, names, all[i]);
                context.Set("loop", LoopVariable(all, i));
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

    /// <summary>Assigns to a name, or takes a list apart over several.</summary>
    public static void Assign(RenderContext context, List<string> names, object? value)
    {
        if (names.Count == 1)
        {
            context.Set(names[0], value);
            return;
        }

        TemplateList parts = PythonValue.Items(value);
        if (parts.Count != names.Count)
        {
            throw new TemplateFault($"{parts.Count} values cannot be assigned to {names.Count} names");
        }

        for (int i = 0; i < names.Count; i++)
        {
            context.Set(names[i], parts[i]);
        }
    }

    private bool Passes(RenderContext context, object? item)
    {
        context.Push();
        try
        {
            Assign(context, names, item);
            return PythonValue.Truth(condition!.Evaluate(context));
        }
        finally
        {
            context.Pop();
        }
    }

    private static TemplateNamespace LoopVariable(TemplateList all, int i)
    {
        var loop = new TemplateNamespace();
        OrderedDictionary<string, object?> values = loop.Attributes;
        values["index"] = (long)i + 1;
        values["index0"] = (long)i;
        values["revindex"] = (long)(all.Count - i);
        values["revindex0"] = (long)(all.Count - i - 1);
        values["first"] = i == 0;
        values["last"] = i == all.Count - 1;
        values["length"] = (long)all.Count;
        values["previtem"] = i > 0 ? all[i - 1] : new Undefined("previtem");
        values["nextitem"] = i < all.Count - 1 ? all[i + 1] : new Undefined("nextitem");
        values["cycle"] = (TemplateFunction)((_, arguments) =>
            arguments.Positional.Count == 0 ? throw new TemplateFault("cycle needs values") : arguments.Positional[i % arguments.Positional.Count]);
        return loop;
    }
}

internal sealed class Jump(Flow flow, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context) => flow;
}

internal sealed class Set(List<string> names, string? attribute, Expression value, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        object? result = value.Evaluate(context);
        if (attribute is null)
        {
            For.Assign(context, names, result);
        }
        else if (context.Get(names[0]) is TemplateNamespace space)
        {
            space.Attributes[attribute] = result;
        }
        else
        {
            throw new TemplateFault($"'{names[0]}' is no namespace: only a namespace's attributes can be set");
        }

        return Flow.Next;
    }
}

/// <summary>{% set x %}…{% endset %}, {% filter f %}…{% endfilter %}: what the body writes, as a value.</summary>
internal sealed class Captured(string? name, List<(string Name, ArgumentList Arguments)> filters, List<Statement> body, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        object? value = context.Capture(() => ExecuteAll(body, context));
        foreach ((string filter, ArgumentList arguments) in filters)
        {
            value = Filters.Find(filter)(context, arguments.Evaluate(context, value));
        }

        if (name is null)
        {
            context.Write(PythonText.Str(value));
        }
        else
        {
            context.Set(name, value);
        }

        return Flow.Next;
    }
}

/// <summary>A body without meaning of its own: {% generation %}, {% with %}.</summary>
internal sealed class Scope(List<(string Name, Expression Value)> variables, List<Statement> body, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Push();
        try
        {
            foreach ((string name, Expression value) in variables)
            {
                context.Set(name, value.Evaluate(context));
            }

            return ExecuteAll(body, context);
        }
        finally
        {
            context.Pop();
        }
    }
}

internal sealed class Macro(string name, List<(string Name, Expression? Default)> parameters, List<Statement> body, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Set(name, Function(name, parameters, body));
        return Flow.Next;
    }

    public static TemplateFunction Function(string name, List<(string Name, Expression? Default)> parameters, List<Statement> body) => (context, arguments) =>
    {
        if (arguments.Positional.Count > parameters.Count)
        {
            throw new TemplateFault($"'{name}' takes {parameters.Count} arguments, not {arguments.Positional.Count}");
        }

        context.Push();
        try
        {
            for (int i = 0; i < parameters.Count; i++)
            {
                (string parameter, Expression? fallback) = parameters[i];
                bool given = i < arguments.Positional.Count || arguments.Named.ContainsKey(parameter);
                context.Set(parameter, given ? arguments.Get(i, parameter) : fallback is null ? new Undefined(parameter) : fallback.Evaluate(context));
            }

            if (arguments.Named.TryGetValue("caller", out object? caller))
            {
                context.Set("caller", caller);
            }

            return context.Capture(() => ExecuteAll(body, context));
        }
        finally
        {
            context.Pop();
        }
    };
}

/// <summary>{% call macro() %}…{% endcall %}: the macro can call the body as caller().</summary>
internal sealed class CallBlock(Call call, List<(string Name, Expression? Default)> parameters, List<Statement> body, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Write(PythonText.Str(call.Invoke(context, Macro.Function("caller", parameters, body))));
        return Flow.Next;
    }
}
