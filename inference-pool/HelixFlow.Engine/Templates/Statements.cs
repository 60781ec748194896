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

internal sealed class Jump(Flow flow, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context) => flow;
}

/// <summary>Gives a value to names, or to an attribute of a namespace.</summary>
internal sealed class Set(Target target, string? attribute, Expression value, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        Assign(context, target, attribute, value.Evaluate(context));
        return Flow.Next;
    }

    public static void Assign(RenderContext context, Target target, string? attribute, object? value)
    {
        if (attribute is null)
        {
            target.Assign(context, value);
        }
        else if (context.Get(target.Name!) is TemplateNamespace { IsFixed: false } space)
        {
            space.Attributes[attribute] = value;
        }
        else
        {
            throw new TemplateFault($"'{target.Name}' is no namespace: only a namespace's attributes can be set");
        }
    }
}

/// <summary>{% set x %}…{% endset %}, {% filter f %}…{% endfilter %}: what the body writes, as a value.</summary>
internal sealed class Captured(Target? target, string? attribute, List<(string Name, ArgumentList Arguments)> filters, List<Statement> body, int line)
    : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Push();
        object? value;
        try
        {
            value = context.Capture(() => ExecuteAll(body, context));
        }
        finally
        {
            context.Pop();
        }

        foreach ((string filter, ArgumentList arguments) in filters)
        {
            value = Filters.Find(filter)(context, arguments.Evaluate(context, value));
        }

        if (target is null)
        {
            context.Write(PythonText.Str(value));
        }
        else
        {
            Set.Assign(context, target, attribute, value);
        }

        return Flow.Next;
    }
}

/// <summary>A body with variables of its own, whose values stand outside: {% with %}; without any, {% generation %}.</summary>
internal sealed class Scope(List<(string Name, Expression Value)> variables, List<Statement> body, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        object?[] values = [.. variables.Select(variable => variable.Value.Evaluate(context))];
        context.Push();
        try
        {
            for (int i = 0; i < values.Length; i++)
            {
                context.Set(variables[i].Name, values[i]);
            }

            return ExecuteAll(body, context);
        }
        finally
        {
            context.Pop();
        }
    }
}

/// <summary>The parameters and the body of a macro or of a call block.</summary>
/// <param name="Name">For errors.</param>
/// <param name="Parameters">With what they are when the call does not give them.</param>
/// <param name="Body">What the call writes.</param>
/// <param name="Referenced">The names that the body uses: further arguments are refused unless it uses varargs, kwargs or caller.</param>
internal sealed record MacroBody(string Name, List<(string Name, Expression? Default)> Parameters, List<Statement> Body, HashSet<string> Referenced)
{
    /// <summary>The function, which sees the variables of the place where it is made.</summary>
    public TemplateFunction Function(RenderContext place)
    {
        IReadOnlyList<Dictionary<string, object?>> scopes = place.Scopes();
        return (context, arguments) => context.Inside(scopes, () =>
        {
            Bind(context, arguments);
            return context.Capture(() => Statement.ExecuteAll(Body, context));
        });
    }

    private void Bind(RenderContext context, CallArguments arguments)
    {
        for (int i = 0; i < Parameters.Count; i++)
        {
            (string parameter, Expression? fallback) = Parameters[i];
            bool given = i < arguments.Positional.Count || arguments.Named.ContainsKey(parameter);
            context.Set(parameter, given ? arguments.Get(i, parameter) : fallback is null ? new Undefined(parameter) : fallback.Evaluate(context));
        }

        if (Referenced.Contains("varargs"))
        {
            context.Set("varargs", new TemplateList(arguments.Positional.Skip(Parameters.Count)) { IsTuple = true });
        }
        else if (arguments.Positional.Count > Parameters.Count)
        {
            throw new TemplateFault($"'{Name}' takes {Parameters.Count} arguments, not {arguments.Positional.Count}");
        }

        OrderedDictionary<string, object?> further = [];
        foreach ((string name, object? value) in arguments.Named)
        {
            if (name == "caller" && Referenced.Contains("caller"))
            {
                context.Set(name, value);
            }
            else if (!Parameters.Exists(parameter => parameter.Name == name))
            {
                further[name] = value;
            }
        }

        if (Referenced.Contains("kwargs"))
        {
            context.Set("kwargs", further);
        }
        else if (further.Count > 0)
        {
            throw new TemplateFault($"'{Name}' takes no argument '{further.GetAt(0).Key}'");
        }
    }
}

internal sealed class Macro(MacroBody macro, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Set(macro.Name, macro.Function(context));
        return Flow.Next;
    }
}

/// <summary>{% call macro() %}…{% endcall %}: the macro can call the body as caller().</summary>
internal sealed class CallBlock(Call call, MacroBody caller, int line) : Statement(line)
{
    protected override Flow Run(RenderContext context)
    {
        context.Write(PythonText.Str(call.Invoke(context, caller.Function(context))));
        return Flow.Next;
    }
}
