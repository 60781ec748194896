using System.Text;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>
/// Calls as Python: Llama's <c>[f(a=1), g(b="x")]</c> at the start of an answer, or Gemma's block of calls after <c>```tool_code</c>, one a line and
/// perhaps inside <c>print(…)</c>. Each call is told when it is complete.
/// </summary>
/// <remarks>Only the names of the request's tools make a call.</remarks>
internal sealed class PythonCallParser : ToolCallParser
{
    private const int LongestName = 256;

    private enum Place
    {
        Start,
        Text,
        Between,
        Name,
        Arguments,
    }

    private readonly ToolCatalog _tools;
    private readonly IReadOnlyList<string> _opens;
    private readonly MarkerScan _scan;
    private readonly MarkerScan _closes;
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _name = new();
    private readonly StringBuilder _arguments = new();
    private Place _place;
    private bool _inList;
    private bool _isOpened; // by a marker, so that another may close
    private char _quote;
    private bool _escaped;
    private int _depth;

    /// <param name="opens">Markers before calls.</param>
    /// <param name="closes">Markers after them.</param>
    /// <param name="isBare">Whether an answer may begin with a list of calls and no marker before it.</param>
    /// <param name="tools">The request's tools.</param>
    /// <param name="output">Where the answer goes.</param>
    public PythonCallParser(IReadOnlyList<string> opens, IReadOnlyList<string> closes, bool isBare, ToolCatalog tools, AnswerParts output)
        : base(output)
    {
        _tools = tools;
        _opens = opens;
        
        _scan = new MarkerScan([.. opens]);
        _closes = new MarkerScan([.. closes]);
        _place = isBare ? Place.Start : Place.Text;
    }

    public override void Accept(char c)
    {
        switch (_place)
        {
            case Place.Start when char.IsWhiteSpace(c):
                Pending.Append(c);
                break;
            case Place.Start when c == '[':
                Pending.Append(c);
                _inList = true;
                _place = Place.Between;
                break;
            case Place.Start:
                Fail(c);
                break;
            case Place.Text:
                AcceptText(c);
                break;
            case Place.Between:
                AcceptBetween(c);
                break;
            case Place.Name:
                AcceptName(c);
                break;
            default:
                AcceptArguments(c);
                break;
        }
    }

    public override void End()
    {
        _closes.Flush(Pending);
        if (!IsAfterCall || !Pending.ToString().AsSpan().IsWhiteSpace())
        {
            ReleasePending();
        }

        _scan.Flush(_text);
        Release(_text);
    }

    private void AcceptText(char c)
    {
        if (_scan.IsEmpty && HoldSpace(c))
        {
            return;
        }

        int marker = _scan.Accept(c, _text);
        Release(_text);
        if (marker >= 0)
        {
            Pending.Append(_opens[marker]);
            _inList = false;
            _isOpened = true;
            _place = Place.Between;
        }
    }

    private void AcceptBetween(char c)
    {
        if (_closes.IsEmpty)
        {
            if (char.IsWhiteSpace(c) || (IsAfterCall && c is ',' or ';'))
            {
                Pending.Append(c);
                return;
            }

            if (c == '[' && !_inList)
            {
                Pending.Append(c);
                _inList = true;
                return;
            }

            if (c == ']' && _inList && IsAfterCall)
            {
                EndCall();
                _inList = false;
                _place = _isOpened ? Place.Between : Place.Text;
                return;
            }

            if (char.IsLetter(c) || c == '_')
            {
                Pending.Append(c);
                _name.Clear().Append(c);
                _place = Place.Name;
                return;
            }
        }

        int marker = _closes.Accept(c, _text);
        if (_text.Length > 0)
        {
            string rest = _text.ToString();
            _text.Clear();
            _closes.Flush(_text);
            rest += _text.ToString();
            _text.Clear();
            FailAll(rest);
        }
        else if (marker >= 0)
        {
            if (IsAfterCall)
            {
                EndCall();
            }
            else
            {
                Pending.Append(_closes.Marker(marker));
                ReleasePending();
            }

            _place = Place.Text;
        }
    }

    private void AcceptName(char c)
    {
        string name = _name.ToString();
        if (c == '(' && (_tools.Contains(name) || name == "print"))
        {
            Pending.Append(c);
            _arguments.Clear();
            _depth = 1;
            _quote = '\0';
            _escaped = false;
            _place = Place.Arguments;
        }
        else if ((char.IsLetterOrDigit(c) || c is '_' or '.' or '-') && _name.Length < LongestName)
        {
            Pending.Append(c);
            _name.Append(c);
        }
        else
        {
            Fail(c);
        }
    }

    private void AcceptArguments(char c)
    {
        Pending.Append(c);
        if (_quote != '\0')
        {
            if (_escaped)
            {
                _escaped = false;
            }
            else if (c == '\\')
            {
                _escaped = true;
            }
            else if (c == _quote)
            {
                _quote = '\0';
            }
        }
        else if (c is '"' or '\'')
        {
            _quote = c;
        }
        else if (c is '(' or '[' or '{')
        {
            _depth++;
        }
        else if (c is ')' or ']' or '}')
        {
            _depth--;
        }

        if (_depth > 0)
        {
            _arguments.Append(c);
        }
        else if (TryCall(_name.ToString(), _arguments.ToString()))
        {
            EndCall();
            _place = Place.Between;
        }
        else
        {
            ReleasePending();
            _place = Place.Text;
        }
    }

    private bool TryCall(string name, string arguments)
    {
        if (!_tools.Contains(name))
        {
            // print(f(a=1)): what the call prints is what the model wants to see.
            arguments = arguments.Trim();
            int at = arguments.IndexOf('(', StringComparison.Ordinal);
            return at > 0 && arguments[^1] == ')' && _tools.Contains(arguments[..at]) && TryCall(arguments[..at], arguments[(at + 1)..^1]);
        }

        if (PythonCall.Arguments(arguments, _tools.ParametersOf(name)) is not { } json)
        {
            return false;
        }

        Output.BeginCall(name);
        Output.Arguments(json);
        return true;
    }

    private void Fail(char c)
    {
        ReleasePending();
        _place = Place.Text;
        AcceptText(c);
    }

    private void FailAll(string text)
    {
        ReleasePending();
        _place = Place.Text;
        foreach (char c in text)
        {
            Accept(c);
        }
    }
}
