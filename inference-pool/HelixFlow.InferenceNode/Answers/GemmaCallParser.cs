using System.Text;
using HelixFlow.Engine.Grammar;

namespace HelixFlow.InferenceNode.Answers;

/// <summary>
/// FunctionGemma's calls: <c>&lt;start_function_call&gt;call:name{key:&lt;escape&gt;text&lt;escape&gt;,other:3}&lt;end_function_call&gt;</c>. A call is told
/// when it is complete.
/// </summary>
internal sealed class GemmaCallParser(AnswerParts output) : ToolCallParser(output)
{
    public const string Open = "<start_function_call>";
    public const string Close = ArgumentNotations.GemmaEnd;
    public const string Escape = ArgumentNotations.GemmaQuote;
    private const string Call = "call:";
    private const int MostDepth = 64;

    private readonly MarkerScan _opens = new(Open);
    private readonly MarkerScan _closes = new(Close);
    private readonly StringBuilder _text = new();
    private readonly StringBuilder _body = new();
    private bool _inCall;

    public override void Accept(char c)
    {
        if (!_inCall)
        {
            if (_opens.IsEmpty && HoldSpace(c))
            {
                return;
            }

            _inCall = _opens.Accept(c, _text) == 0;
            Release(_text);
            _body.Clear();
        }
        else if (_closes.Accept(c, _body) == 0)
        {
            EndBody(Close);
        }
    }

    public override void End()
    {
        if (_inCall)
        {
            _closes.Flush(_body);
            EndBody("");
        }

        _opens.Flush(_text);
        Release(_text);
    }

    private void EndBody(string close)
    {
        _inCall = false;
        string body = _body.ToString();
        if (!TryTell(body.AsSpan().Trim()))
        {
            Release(_text.Append(Open).Append(body).Append(close));
        }
    }

    private bool TryTell(ReadOnlySpan<char> body)
    {
        int brace = body.IndexOf('{');
        if (!body.StartsWith(Call, StringComparison.Ordinal) || brace <= Call.Length || body[^1] != '}' || body[Call.Length..brace].IsWhiteSpace())
        {
            return false;
        }

        var json = new StringBuilder();
        int at = brace;
        if (!TryMap(body, ref at, json, 0) || at != body.Length)
        {
            return false;
        }

        Output.BeginCall(body[Call.Length..brace].Trim().ToString());
        Output.Arguments(json.ToString());
        EndCall();
        return true;
    }

    private static bool TryMap(ReadOnlySpan<char> text, ref int at, StringBuilder json, int depth)
    {
        at++;
        json.Append('{');
        for (int count = 0; ; count++)
        {
            if (at < text.Length && text[at] == '}' && count == 0)
            {
                break;
            }

            int colon = text[at..].IndexOf(':');
            if (colon <= 0)
            {
                return false;
            }

            json.Append(count == 0 ? "" : ", ").Append(JsonText.Quote(Unescaped(text.Slice(at, colon).Trim()))).Append(": ");
            at += colon + 1;
            if (!TryValue(text, ref at, json, depth + 1) || at == text.Length)
            {
                return false;
            }

            if (text[at] == '}')
            {
                break;
            }

            if (text[at++] != ',')
            {
                return false;
            }
        }

        at++;
        json.Append('}');
        return true;
    }

    private static bool TryList(ReadOnlySpan<char> text, ref int at, StringBuilder json, int depth)
    {
        at++;
        json.Append('[');
        for (int count = 0; at < text.Length && !(text[at] == ']' && count == 0); count++)
        {
            json.Append(count == 0 ? "" : ", ");
            if (!TryValue(text, ref at, json, depth + 1) || at == text.Length)
            {
                return false;
            }

            if (text[at] == ']')
            {
                break;
            }

            if (text[at++] != ',')
            {
                return false;
            }
        }

        if (at == text.Length)
        {
            return false;
        }

        at++;
        json.Append(']');
        return true;
    }

    private static bool TryValue(ReadOnlySpan<char> text, ref int at, StringBuilder json, int depth)
    {
        if (depth > MostDepth || at == text.Length)
        {
            return false;
        }

        if (text[at..].StartsWith(Escape, StringComparison.Ordinal))
        {
            at += Escape.Length;
            int end = text[at..].IndexOf(Escape, StringComparison.Ordinal);
            if (end < 0)
            {
                return false;
            }

            json.Append(JsonText.Quote(text.Slice(at, end).ToString()));
            at += end + Escape.Length;
            return true;
        }

        if (text[at] == '{')
        {
            return TryMap(text, ref at, json, depth);
        }

        if (text[at] == '[')
        {
            return TryList(text, ref at, json, depth);
        }

        int length = text[at..].IndexOfAny(',', '}', ']');
        if (length <= 0)
        {
            return false;
        }

        string word = text.Slice(at, length).Trim().ToString();
        json.Append(JsonText.IsValue(word) ? word : JsonText.Quote(word));
        at += length;
        return true;
    }

    private static string Unescaped(ReadOnlySpan<char> key) => key.ToString().Replace(Escape, "", StringComparison.Ordinal);
}
