using System.Globalization;
using System.Text.Json;

namespace HelixFlow.Engine.Templates;

/// <summary>What a chat template is rendered with.</summary>
public sealed record ChatTemplateInput
{
    /// <summary>The messages, an array in the OpenAI format.</summary>
    public required JsonElement Messages { get; init; }

    /// <summary>The tool definitions, an array in the OpenAI format; null for none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Further variables, an object; null for none. They do not replace the ones above.</summary>
    public JsonElement? Variables { get; init; }

    /// <summary>Whether to end with the beginning of the assistant's answer.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    public string BosToken { get; init; } = "";

    public string EosToken { get; init; } = "";

    /// <summary>What strftime_now shows.</summary>
    public DateTimeOffset Now { get; init; }
}

/// <summary>A model's chat template: Jinja as Hugging Face's transformers runs it.</summary>
/// <remarks>Immutable and thread-safe. A template comes with a model file and is not trusted: <see cref="TemplateLimits"/> bound what it can use.</remarks>
public sealed class ChatTemplate
{
    private readonly List<Statement> _body;

    private ChatTemplate(List<Statement> body) => _body = body;

    /// <exception cref="TemplateSyntaxException">The text is not a template, or uses a part of Jinja that chat templates never need.</exception>
    public static ChatTemplate Parse(string source) => new(TemplateParser.Parse(source));

    /// <summary>Renders a conversation.</summary>
    /// <exception cref="TemplateRenderException">The template refuses the messages, fails on them, or reaches a limit.</exception>
    public string Render(ChatTemplateInput input, TemplateLimits? limits = null, CancellationToken cancellationToken = default)
    {
        var variables = new Dictionary<string, object?>(StringComparer.Ordinal);
        if (input.Variables is { ValueKind: JsonValueKind.Object } further)
        {
            foreach (JsonProperty property in further.EnumerateObject())
            {
                variables[property.Name] = PythonValue.FromJson(property.Value);
            }
        }

        variables["messages"] = PythonValue.FromJson(input.Messages);
        variables["tools"] = input.Tools is { } tools ? PythonValue.FromJson(tools) : null;
        variables["add_generation_prompt"] = input.AddGenerationPrompt;
        variables["bos_token"] = input.BosToken;
        variables["eos_token"] = input.EosToken;
        variables["strftime_now"] = (TemplateFunction)((_, arguments) => DateFormat.Format(PythonText.Str(arguments.Required(0, "format")), input.Now));
        return Render(variables, limits ?? TemplateLimits.Default, cancellationToken);
    }

    /// <summary>Renders with variables given as a JSON object.</summary>
    /// <exception cref="TemplateRenderException">The template fails on them, or reaches a limit.</exception>
    public string Render(JsonElement variables, TemplateLimits? limits = null, CancellationToken cancellationToken = default) => Render(
        variables.EnumerateObject().ToDictionary(property => property.Name, property => PythonValue.FromJson(property.Value), StringComparer.Ordinal),
        limits ?? TemplateLimits.Default,
        cancellationToken);

    private string Render(Dictionary<string, object?> variables, TemplateLimits limits, CancellationToken cancellationToken)
    {
        foreach ((string name, TemplateFunction function) in Globals)
        {
            variables.TryAdd(name, function);
        }

        var context = new RenderContext(variables, limits, cancellationToken);
        try
        {
            context.Run(() => Statement.ExecuteAll(_body, context));
            return context.Output.ToString();
        }
        catch (TemplateFault fault)
        {
            throw new TemplateRenderException(fault.Message, context.Line, fault.IsRaised, fault.IsLimit);
        }
    }

    private static readonly Dictionary<string, TemplateFunction> Globals = new(StringComparer.Ordinal)
    {
        ["raise_exception"] = (_, a) => throw new TemplateFault(PythonText.Str(a.Required(0, "message")), isRaised: true),
        ["range"] = Range,
        ["dict"] = (_, a) => NewMap(a),
        ["joiner"] = (_, a) => Joiner(a.Text(0, "sep", ", ")),
        ["cycler"] = (_, a) => Cycler(a.Positional),
        ["namespace"] = (_, a) =>
        {
            var space = new TemplateNamespace();
            foreach ((string name, object? value) in NewMap(a))
            {
                space.Attributes[name] = value;
            }

            return space;
        },
    };

    private static OrderedDictionary<string, object?> NewMap(CallArguments arguments)
    {
        OrderedDictionary<string, object?> map = [];
        switch (arguments.Get(0, ""))
        {
            case OrderedDictionary<string, object?> first:
                map = new(first);
                break;
            case TemplateList pairs:
                foreach (object? pair in pairs)
                {
                    map[pair is TemplateList { Count: 2 } entry && entry[0] is string key ? key : throw new TemplateFault("dict takes pairs of a string and a value")] = entry[1];
                }

                break;
        }

        foreach ((string name, object? value) in arguments.Named)
        {
            map[name] = value;
        }

        return map;
    }

    private static TemplateFunction Joiner(string separator)
    {
        bool used = false;
        return (_, _) =>
        {
            string text = used ? separator : "";
            used = true;
            return text;
        };
    }

    private static TemplateNamespace Cycler(List<object?> items)
    {
        if (items.Count == 0)
        {
            throw new TemplateFault("cycler needs values");
        }

        int at = 0;
        var cycler = new TemplateNamespace { IsFixed = true };
        cycler.Attributes["current"] = items[0];
        cycler.Attributes["next"] = (TemplateFunction)((_, _) =>
        {
            object? item = items[at];
            at = (at + 1) % items.Count;
            cycler.Attributes["current"] = items[at];
            return item;
        });
        cycler.Attributes["reset"] = (TemplateFunction)((_, _) =>
        {
            at = 0;
            return cycler.Attributes["current"] = items[0];
        });
        return cycler;
    }

    private static TemplateList Range(RenderContext context, CallArguments arguments)
    {
        long[] bounds = [.. arguments.Positional.Select(bound => PythonValue.Integer(bound) ?? throw new TemplateFault("range takes integers"))];
        (long start, long stop, long step) = bounds.Length switch
        {
            1 => (0, bounds[0], 1),
            2 => (bounds[0], bounds[1], 1),
            3 when bounds[2] != 0 => (bounds[0], bounds[1], bounds[2]),
            _ => throw new TemplateFault("range takes one to three integers, the third not 0"),
        };
        double count = Math.Ceiling(((double)stop - start) / step);
        if (count > context.Limits.MaxRange)
        {
            throw new TemplateFault($"range is longer than {context.Limits.MaxRange}", isLimit: true);
        }

        context.Step((long)Math.Max(count, 0));
        return new TemplateList(Enumerable.Range(0, (int)Math.Max(count, 0)).Select(i => (object?)(start + (i * step))))
        {
            View = string.Create(CultureInfo.InvariantCulture, $"range({start}, {stop}{(step == 1 ? "" : $", {step}")})"),
        };
    }

    /// <summary>strftime, as far as templates use it.</summary>
    private static class DateFormat
    {
        public static string Format(string format, DateTimeOffset now)
        {
            var text = new System.Text.StringBuilder();
            for (int i = 0; i < format.Length; i++)
            {
                if (format[i] != '%' || i + 1 == format.Length)
                {
                    text.Append(format[i]);
                    continue;
                }

                char code = format[++i];
                bool padded = code != '-' || i + 1 == format.Length;
                code = padded ? code : format[++i];
                string part = code switch
                {
                    'Y' => now.ToString("yyyy", CultureInfo.InvariantCulture),
                    'y' => now.ToString("yy", CultureInfo.InvariantCulture),
                    'm' => now.ToString("MM", CultureInfo.InvariantCulture),
                    'd' => now.ToString("dd", CultureInfo.InvariantCulture),
                    'H' => now.ToString("HH", CultureInfo.InvariantCulture),
                    'I' => now.ToString("hh", CultureInfo.InvariantCulture),
                    'M' => now.ToString("mm", CultureInfo.InvariantCulture),
                    'S' => now.ToString("ss", CultureInfo.InvariantCulture),
                    'B' => now.ToString("MMMM", CultureInfo.InvariantCulture),
                    'b' => now.ToString("MMM", CultureInfo.InvariantCulture),
                    'A' => now.ToString("dddd", CultureInfo.InvariantCulture),
                    'a' => now.ToString("ddd", CultureInfo.InvariantCulture),
                    'p' => now.ToString("tt", CultureInfo.InvariantCulture),
                    'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
                    '%' => "%",
                    _ => throw new TemplateFault($"strftime_now does not know '%{code}'"),
                };
                text.Append(padded ? part : part.TrimStart('0'));
            }

            return text.ToString();
        }
    }
}
