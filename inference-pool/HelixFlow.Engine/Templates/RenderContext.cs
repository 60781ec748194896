using System.Runtime.CompilerServices;
using System.Text;

namespace HelixFlow.Engine.Templates;

/// <summary>The state of one rendering: variables by scope, output, and what may still be used of the limits.</summary>
internal sealed class RenderContext
{
    [ThreadStatic]
    private static RenderContext? Current;

    private readonly TemplateLimits _limits;
    private readonly CancellationToken _cancellation;
    private List<Dictionary<string, object?>> _scopes = [];
    private long _steps;
    private int _depth;

    public RenderContext(Dictionary<string, object?> globals, TemplateLimits limits, CancellationToken cancellation)
    {
        _limits = limits;
        _cancellation = cancellation;
        _scopes.Add(globals);
    }

    /// <summary>Where text goes; call blocks and block sets put another builder here for a while.</summary>
    public StringBuilder Output { get; set; } = new();

    /// <summary>The line being evaluated, for errors.</summary>
    public int Line { get; set; } = 1;

    public TemplateLimits Limits => _limits;

    /// <summary>Runs a rendering, whose values account for themselves by <see cref="Charge"/> and <see cref="CheckLength"/> meanwhile.</summary>
    public void Run(Action work)
    {
        RenderContext? outer = Current;
        Current = this;
        try
        {
            work();
        }
        finally
        {
            Current = outer;
        }
    }

    /// <summary>Accounts for work on a value, of the rendering that runs on this thread.</summary>
    public static void Charge(long cost = 1) => Current?.Step(cost);

    /// <summary>Refuses a text that would be too long before it is made.</summary>
    public static void CheckLength(double length)
    {
        if (Current is { } context && length > context._limits.MaxCharacters)
        {
            throw context.TooLong();
        }
    }

    public void Step(long cost = 1)
    {
        // Every recursion comes through here, and how deep it may go depends on the thread.
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateFault("expressions, blocks, calls or values are nested too deeply", isLimit: true);
        }

        _steps += cost;
        if (_steps > _limits.MaxSteps)
        {
            throw new TemplateFault($"the template takes more than {_limits.MaxSteps} steps", isLimit: true);
        }

        if ((_steps & 1023) == 0)
        {
            _cancellation.ThrowIfCancellationRequested();
        }
    }

    public void Write(string text)
    {
        if (Output.Length + text.Length > _limits.MaxCharacters)
        {
            throw TooLong();
        }

        Output.Append(text);
    }

    /// <summary>Accounts for a text that an expression makes.</summary>
    public string Made(string text)
    {
        Step(text.Length / 16);
        return text.Length > _limits.MaxCharacters ? throw TooLong() : text;
    }

    public object? Get(string name)
    {
        for (int i = _scopes.Count - 1; i >= 0; i--)
        {
            if (_scopes[i].TryGetValue(name, out object? value))
            {
                return value;
            }
        }

        return new Undefined(name);
    }

    /// <summary>Sets a variable in the innermost scope, which a loop's end drops: Jinja's rule.</summary>
    public void Set(string name, object? value) => _scopes[^1][name] = value;

    public void Push() => _scopes.Add(new Dictionary<string, object?>(StringComparer.Ordinal));

    public void Pop() => _scopes.RemoveAt(_scopes.Count - 1);

    /// <summary>The scopes as they are now, for <see cref="Inside"/>.</summary>
    public IReadOnlyList<Dictionary<string, object?>> Scopes() => [.. _scopes];

    /// <summary>Runs something in a new scope inside others than the caller's: a macro sees what stands around it, not what stands around its call.</summary>
    public T Inside<T>(IReadOnlyList<Dictionary<string, object?>> scopes, Func<T> work)
    {
        List<Dictionary<string, object?>> callers = _scopes;
        _scopes = [.. scopes, new Dictionary<string, object?>(StringComparer.Ordinal)];
        try
        {
            return work();
        }
        finally
        {
            _scopes = callers;
        }
    }

    /// <summary>Runs something one level deeper, with a bound on how deep.</summary>
    public T Deeper<T>(Func<T> work)
    {
        if (++_depth > _limits.MaxDepth)
        {
            throw new TemplateFault($"calls are nested more than {_limits.MaxDepth} deep", isLimit: true);
        }

        try
        {
            return work();
        }
        finally
        {
            _depth--;
        }
    }

    /// <summary>Runs something that writes, and returns what it wrote.</summary>
    public string Capture(Action work)
    {
        StringBuilder outer = Output;
        Output = new StringBuilder();
        try
        {
            work();
            return Made(Output.ToString());
        }
        finally
        {
            Output = outer;
        }
    }

    private TemplateFault TooLong() => new($"the text grows beyond {_limits.MaxCharacters} characters", isLimit: true);
}
