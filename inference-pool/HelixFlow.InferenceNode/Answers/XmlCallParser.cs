using System.Globalization;
using System.Text;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>
/// Qwen3-Coder's calls: <c>&lt;tool_call&gt;&lt;function=name&gt;&lt;parameter=key&gt;value&lt;/parameter&gt;&lt;/function&gt;&lt;/tool_call&gt;</c>,
/// the outer markers optional. Values become JSON as the tool's schema says: strings as they come, others when they are complete.
/// </summary>
internal sealed class XmlCallParser(ToolCatalog tools, AnswerParts output) : ToolCallParser(output)
{
    private const string Open = "<tool_call>";
    private const string Close = "</tool_call>";
    private const string Function = "<function=";
    private const string FunctionEnd = "</function>";
    private const string Parameter = "<parameter=";
    private const string ParameterEnd = ArgumentNotations.XmlValueEnd;
    private const int LongestName = 256;

    private enum Place
    {
        Text,
        Opened,
        FunctionName,
        InFunction,
        ParameterName,
        Value,
    }

    private readonly MarkerScan _opens = new(Open, Function, Close);
    private readonly MarkerScan _inFunction = new(Parameter, FunctionEnd, Close);
    private readonly MarkerScan _valueEnds = new("\n" + ParameterEnd, ParameterEnd);
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _name = new();
    private readonly StringBuilder _value = new();
    private Place _place;
    private string _tool = "";
    private int _parameters;
    private bool _isString;
    private bool _isValueStart;

    public override void Accept(char c)
    {
        switch (_place)
        {
            case Place.Text:
                AcceptText(c);
                break;
            case Place.Opened:
                AcceptOpened(c);
                break;
            case Place.FunctionName:
                AcceptFunctionName(c);
                break;
            case Place.InFunction:
                AcceptInFunction(c);
                break;
            case Place.ParameterName when c == '>':
                BeginValue();
                break;
            case Place.ParameterName:
                _name.Append(c);
                break;
            default:
                AcceptValue(c);
                break;
        }
    }

    public override void End()
    {
        ReleasePending();
        if (_place == Place.Value)
        {
            _valueEnds.Flush(_text);
            TakeValue();
        }

        _opens.Flush(_text);
        Release(_text);
    }

    private void AcceptText(char c)
    {
        if (_opens.IsEmpty && HoldSpace(c))
        {
            return;
        }

        int marker = _opens.Accept(c, _text);
        Release(_text);
        switch (marker)
        {
            case 0:
                Pending.Append(Open);
                _place = Place.Opened;
                break;
            case 1:
                Pending.Append(Function);
                _name.Clear();
                _place = Place.FunctionName;
                break;
            case 2 when IsAfterCall:
                DropSpace();
                break;
            case 2:
                Release(_text.Append(Close));
                break;
        }
    }

    private void AcceptOpened(char c)
    {
        if (_opens.IsEmpty && char.IsWhiteSpace(c))
        {
            Pending.Append(c);
            return;
        }

        int marker = _opens.Accept(c, _text);
        if (_text.Length > 0 || marker is 0 or 2)
        {
            ReleasePending();
            Release(_text);
            _place = Place.Text;
        }

        switch (marker)
        {
            case 0:
                Pending.Append(Open);
                _place = Place.Opened;
                break;
            case 1:
                Pending.Append(Function);
                _name.Clear();
                _place = Place.FunctionName;
                break;
            case 2:
                Release(_text.Append(Close));
                break;
        }
    }

    private void AcceptFunctionName(char c)
    {
        if (c == '>' && _name.ToString().Trim() is { Length: > 0 } name)
        {
            _tool = name;
            _parameters = 0;
            Pending.Clear();
            Output.BeginCall(_tool);
            _place = Place.InFunction;
        }
        else if (c is '>' or '<' or '\n' || _name.Length == LongestName)
        {
            ReleasePending();
            _place = Place.Text;
            AcceptText(c);
        }
        else
        {
            _name.Append(c);
            Pending.Append(c);
        }
    }

    // Between parameters nothing but white space is expected; whatever else stands there belongs to no parameter and is passed over.
    private void AcceptInFunction(char c)
    {
        int marker = _inFunction.Accept(c, _text);
        _text.Clear();
        if (marker == 0)
        {
            _name.Clear();
            _place = Place.ParameterName;
        }
        else if (marker > 0)
        {
            Output.Arguments(_parameters == 0 ? "{}" : "}");
            EndCall();
            _place = Place.Text;
        }
    }

    private void BeginValue()
    {
        string name = _name.ToString().Trim();
        Output.Arguments(_parameters++ == 0 ? "{" : ", ");
        AppendString(name);
        Output.Arguments(": ");
        _isString = tools.IsString(_tool, name);
        _isValueStart = true;
        _value.Clear();
        if (_isString)
        {
            Output.Arguments('"');
        }

        _place = Place.Value;
    }

    private void AcceptValue(char c)
    {
        if (_isValueStart)
        {
            _isValueStart = false;
            if (c == '\n')
            {
                return; // belongs to the marker's line
            }
        }

        int marker = _valueEnds.Accept(c, _text);
        TakeValue();
        if (marker < 0)
        {
            return;
        }

        Output.Arguments(_isString ? "\"" : JsonOf(_value.ToString()));
        _place = Place.InFunction;
    }

    private void TakeValue()
    {
        if (_isString)
        {
            for (int i = 0; i < _text.Length; i++)
            {
                AppendEscaped(_text[i]);
            }
        }
        else
        {
            _value.Append(_text);
        }

        _text.Clear();
    }

    private void AppendString(string text)
    {
        Output.Arguments('"');
        foreach (char c in text)
        {
            AppendEscaped(c);
        }

        Output.Arguments('"');
    }

    private void AppendEscaped(char c)
    {
        switch (c)
        {
            case '"' or '\\':
                Output.Arguments('\\');
                Output.Arguments(c);
                break;
            case '\n':
                Output.Arguments("\\n");
                break;
            case '\t':
                Output.Arguments("\\t");
                break;
            case < ' ':
                Output.Arguments(string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"));
                break;
            default:
                Output.Arguments(c);
                break;
        }
    }

    private static string JsonOf(string value)
    {
        string trimmed = value.Trim();
        string candidate = trimmed switch
        {
            "None" => "null",
            "True" => "true",
            "False" => "false",
            _ => trimmed,
        };
        return JsonText.IsValue(candidate) ? candidate : JsonText.Quote(value);
    }
}
