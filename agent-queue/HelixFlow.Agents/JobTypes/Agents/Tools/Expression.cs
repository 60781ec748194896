using System.Globalization;

namespace HelixFlow.Agents.JobTypes.Agents.Tools;

/// <summary>Evaluates arithmetic: numbers, + - * / % ^, parentheses, the usual functions and constants. Nothing else can be named or reached.</summary>
/// <remarks>Numbers are doubles. Powers bind tighter than a sign before them and go from the right: -2^2 is -4, 2^3^2 is 512.</remarks>
internal ref struct Expression
{
    private const int Deepest = 64; // recursion is on the thread's stack
    private const int LongestNumber = 400;

    private readonly ReadOnlySpan<char> _text;
    private int _at;
    private int _depth;

    private Expression(ReadOnlySpan<char> text) => _text = text;

    /// <summary>Most characters of an expression.</summary>
    public const int Longest = 2000;

    /// <summary>The value of an expression.</summary>
    /// <exception cref="FormatException">It is none, or has no finite value; the message names the place.</exception>
    public static double Evaluate(string text)
    {
        if (text.Length > Longest)
        {
            throw new FormatException($"The expression has {text.Length} characters; {Longest} is the most.");
        }

        var expression = new Expression(text);
        double value = expression.Sum();
        expression.SkipSpace();
        if (expression._at < text.Length)
        {
            throw expression.Wrong($"'{text[expression._at]}' cannot stand here");
        }

        return double.IsFinite(value) ? value : throw new FormatException("The expression has no finite value.");
    }

    private double Sum()
    {
        if (++_depth > Deepest)
        {
            throw Wrong("it is nested too deeply");
        }

        double value = Product();
        while (true)
        {
            if (Take('+'))
            {
                value += Product();
            }
            else if (Take('-'))
            {
                value -= Product();
            }
            else
            {
                _depth--;
                return value;
            }
        }
    }

    private double Product()
    {
        double value = Signed();
        while (true)
        {
            if (Take('*'))
            {
                value *= Signed();
            }
            else if (Take('/'))
            {
                value /= Signed();
            }
            else if (Take('%'))
            {
                value %= Signed();
            }
            else
            {
                return value;
            }
        }
    }

    private double Signed()
    {
        bool isNegative = false;
        while (true)
        {
            if (Take('-'))
            {
                isNegative = !isNegative;
            }
            else if (!Take('+'))
            {
                double value = Power();
                return isNegative ? -value : value;
            }
        }
    }

    private double Power()
    {
        double value = Primary();
        if (!Take('^'))
        {
            return value;
        }

        if (++_depth > Deepest)
        {
            throw Wrong("it is nested too deeply");
        }

        value = Math.Pow(value, Signed());
        _depth--;
        return value;
    }

    private double Primary()
    {
        if (Take('('))
        {
            double inner = Sum();
            return Take(')') ? inner : throw Wrong("a ')' is missing");
        }

        SkipSpace();
        return _at >= _text.Length ? throw Wrong("it ends too early")
            : char.IsAsciiDigit(_text[_at]) || _text[_at] == '.' ? Number()
            : char.IsAsciiLetter(_text[_at]) ? Named()
            : throw Wrong($"'{_text[_at]}' cannot stand here");
    }

    private double Number()
    {
        int start = _at;
        while (_at < _text.Length && (char.IsAsciiDigit(_text[_at]) || _text[_at] is '.' or '_'))
        {
            _at++;
        }

        if (_at + 1 < _text.Length && _text[_at] is 'e' or 'E' && (char.IsAsciiDigit(_text[_at + 1]) || (_text[_at + 1] is '+' or '-' && _at + 2 < _text.Length && char.IsAsciiDigit(_text[_at + 2]))))
        {
            _at += 2;
            while (_at < _text.Length && char.IsAsciiDigit(_text[_at]))
            {
                _at++;
            }
        }

        string number = _text[start.._at].ToString().Replace("_", "", StringComparison.Ordinal);
        return number.Length <= LongestNumber && double.TryParse(number, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw Wrong($"'{number}' is no number");
    }

    private double Named()
    {
        int start = _at;
        while (_at < _text.Length && char.IsAsciiLetterOrDigit(_text[_at]))
        {
            _at++;
        }

        string name = _text[start.._at].ToString();
        if (!Take('('))
        {
            return name.ToLowerInvariant() switch
            {
                "pi" => Math.PI,
                "e" => Math.E,
                _ => throw Wrong($"there is no constant '{name}'; pi and e are"),
            };
        }

        List<double> arguments = [Sum()];
        while (Take(','))
        {
            arguments.Add(Sum());
        }

        return Take(')') ? Apply(name, arguments) : throw Wrong("a ')' is missing");
    }

    private readonly double Apply(string name, List<double> x) => (name.ToLowerInvariant(), x.Count) switch
    {
        ("abs", 1) => Math.Abs(x[0]),
        ("sqrt", 1) => Math.Sqrt(x[0]),
        ("cbrt", 1) => Math.Cbrt(x[0]),
        ("exp", 1) => Math.Exp(x[0]),
        ("ln", 1) => Math.Log(x[0]),
        ("log", 1) or ("log10", 1) => Math.Log10(x[0]),
        ("log", 2) => Math.Log(x[0], x[1]),
        ("log2", 1) => Math.Log2(x[0]),
        ("sin", 1) => Math.Sin(x[0]),
        ("cos", 1) => Math.Cos(x[0]),
        ("tan", 1) => Math.Tan(x[0]),
        ("asin", 1) => Math.Asin(x[0]),
        ("acos", 1) => Math.Acos(x[0]),
        ("atan", 1) => Math.Atan(x[0]),
        ("atan2", 2) => Math.Atan2(x[0], x[1]),
        ("pow", 2) => Math.Pow(x[0], x[1]),
        ("mod", 2) => x[0] % x[1],
        ("floor", 1) => Math.Floor(x[0]),
        ("ceil", 1) => Math.Ceiling(x[0]),
        ("trunc", 1) => Math.Truncate(x[0]),
        ("sign", 1) when !double.IsNaN(x[0]) => Math.Sign(x[0]),
        ("round", 1) => Math.Round(x[0], MidpointRounding.AwayFromZero),
        ("round", 2) when x[1] is >= 0 and <= 15 => Math.Round(x[0], (int)x[1], MidpointRounding.AwayFromZero),
        ("min", _) => x.Min(),
        ("max", _) => x.Max(),
        ("sum", _) => x.Sum(),
        ("mean" or "avg", _) => x.Average(),
        _ => throw Wrong($"there is no function '{name}' of {x.Count} arguments"),
    };

    private bool Take(char c)
    {
        SkipSpace();
        if (_at >= _text.Length || _text[_at] != c)
        {
            return false;
        }

        _at++;
        return true;
    }

    private void SkipSpace()
    {
        while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
        {
            _at++;
        }
    }

    private readonly FormatException Wrong(string what) => new($"At character {Math.Min(_at, _text.Length) + 1} of the expression: {what}.");
}
