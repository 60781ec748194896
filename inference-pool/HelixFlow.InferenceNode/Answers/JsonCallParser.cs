using System.Text;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>How a family writes calls as JSON.</summary>
/// <param name="Opens">Markers before a call, or before an array of calls.</param>
/// <param name="Closes">Markers that may follow.</param>
internal sealed record JsonCallStyle(IReadOnlyList<string> Opens, IReadOnlyList<string> Closes)
{
    /// <summary>Whether an answer may begin with a call and no marker before it; only names of the request's tools make a call then.</summary>
    public bool IsBare { get; init; }

    /// <summary>Whether a marker may be followed by a name, "[ARGS]" and the arguments.</summary>
    public bool HasNames { get; init; }
}

/// <summary>Calls as JSON objects behind markers: Hermes and Qwen, Llama 3, Mistral, Phi.</summary>
internal sealed class JsonCallParser : ToolCallParser
{
    private const int LongestName = 256;
    private const string NameEnd = "[ARGS]";
    private const string IdBegin = "[CALL_ID]";

    private enum Place
    {
        Start,
        Text,
        Opened,
        Array,
        Call,
        Name,
        Id,
    }

    private readonly JsonCallStyle _style;
    private readonly JsonCallReader _reader;
    private readonly MarkerScan _opens;
    private readonly MarkerScan _all;
    private readonly MarkerScan _nameEnds = new(NameEnd, IdBegin);
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _name = new();
    private Place _place;
    private bool _inArray;
    private MarkerScan _scan;

    public JsonCallParser(JsonCallStyle style, ToolCatalog tools, AnswerParts output)
        : base(output)
    {
        _style = style;
        _reader = new JsonCallReader(output, style.IsBare ? tools.Contains : null);
        _opens = new MarkerScan([.. style.Opens]);
        _all = new MarkerScan([.. style.Opens, .. style.Closes]);
        _scan = _opens;
        _place = style.IsBare ? Place.Start : Place.Text;
    }

    public override void Accept(char c)
    {
        switch (_place)
        {
            case Place.Start when char.IsWhiteSpace(c):
                Pending.Append(c);
                break;
            case Place.Start when c == '{':
                BeginCall(c, inArray: false);
                break;
            case Place.Start:
                Fail(c);
                break;
            case Place.Text:
                AcceptText(c);
                break;
            case Place.Opened or Place.Array:
                AcceptOpened(c);
                break;
            case Place.Call:
                AcceptCall(c);
                break;
            default:
                AcceptName(c);
                break;
        }
    }

    public override void End()
    {
        _nameEnds.Flush(Pending);
        ReleasePending();
        _scan.Flush(_text);
        Release(_text);
    }

    private void AcceptText(char c)
    {
        if (_scan.IsEmpty)
        {
            if (IsAfterCall && _style.IsBare && c == '{')
            {
                BeginCall(c, inArray: false);
                return;
            }

            if (HoldSpace(c, _style.IsBare ? ";," : ""))
            {
                return;
            }

            _scan = IsAfterCall ? _all : _opens;
        }

        int marker = _scan.Accept(c, _text);
        Release(_text);
        if (marker >= _style.Opens.Count)
        {
            DropSpace();
        }
        else if (marker >= 0)
        {
            Pending.Append(_style.Opens[marker]);
            _place = Place.Opened;
        }
    }

    private void AcceptOpened(char c)
    {
        if (char.IsWhiteSpace(c) || (c == ',' && _place == Place.Array))
        {
            Pending.Append(c);
        }
        else if (c == '{')
        {
            BeginCall(c, _place == Place.Array);
        }
        else if (c == '[' && _place == Place.Opened)
        {
            Pending.Append(c);
            _place = Place.Array;
        }
        else if (c == ']' && _place == Place.Array && IsAfterCall)
        {
            EndCall();
            _place = Place.Text;
        }
        else if (_style.HasNames && _place == Place.Opened && IsNamePart(c))
        {
            Pending.Append(c);
            _name.Clear().Append(c);
            _place = Place.Name;
        }
        else
        {
            Fail(c);
        }
    }

    private void BeginCall(char c, bool inArray)
    {
        _inArray = inArray;
        _reader.Reset();
        _place = Place.Call;
        AcceptCall(c);
    }

    private void AcceptCall(char c)
    {
        ReadStep step = _reader.Accept(c);
        if (_reader.HasBegun)
        {
            Pending.Clear();
        }

        switch (step)
        {
            case ReadStep.More when !_reader.HasBegun:
                Pending.Append(c);
                break;
            case ReadStep.Done:
                EndCall();
                _place = _inArray ? Place.Array : Place.Text;
                break;
            case ReadStep.Failed when _reader.HasBegun:
                EndCall();
                _place = Place.Text;
                Accept(c);
                break;
            case ReadStep.Failed:
                Fail(c);
                break;
        }
    }

    private void AcceptName(char c)
    {
        if (c == '{' && _nameEnds.IsEmpty)
        {
            BeginArguments();
            AcceptCall(c);
            return;
        }

        if (_place == Place.Name && _nameEnds.IsEmpty && IsNamePart(c) && _name.Length < LongestName)
        {
            _name.Append(c);
            Pending.Append(c);
            return;
        }

        int before = _text.Length;
        int marker = _nameEnds.Accept(c, _text);
        string unknown = _text.ToString(before, _text.Length - before);
        _text.Length = before;
        if (marker < 0 && unknown.Length > 0)
        {
            if (_place == Place.Id && Pending.Length < LongestName * 2)
            {
                Pending.Append(unknown); // the id that the model gives its call is of no use
                return;
            }

            FailName(unknown);
        }
        else if (marker == 0)
        {
            Pending.Append(NameEnd);
            BeginArguments();
        }
        else if (marker == 1)
        {
            Pending.Append(IdBegin);
            _place = Place.Id;
        }
    }

    private void BeginArguments()
    {
        _inArray = false;
        _reader.ResetToArguments(_name.ToString());
        _place = Place.Call;
    }

    // What was pending is content; the character that showed it may begin something else.
    private void Fail(char c)
    {
        ReleasePending();
        _place = Place.Text;
        AcceptText(c);
    }

    private void FailName(string unknown)
    {
        var rest = new StringBuilder(unknown);
        _nameEnds.Flush(rest);
        ReleasePending();
        _place = Place.Text;
        foreach (char c in rest.ToString())
        {
            Accept(c);
        }
    }

    private static bool IsNamePart(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.';
}
