using System.Globalization;
using System.Numerics;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>Recognises the decimal numbers, written without an exponent, that lie within bounds and are multiples of something.</summary>
/// <remarks>
/// A number is compared with a bound while its digits come: as long as both have the same digits they are equal so far; how many digits stand before the
/// point decides as soon as it is known.
/// </remarks>
internal sealed class NumberMachine : IRegexMachine
{
    private const int MaxDivisor = 100_000;

    private readonly Bound? _min;
    private readonly Bound? _max;
    private readonly bool _integersOnly;
    private readonly bool _onlyMultiples;
    private readonly int _divisor; // the number times 10^_scale must be a multiple of it
    private readonly int _scale;
    private readonly int _maxCounted; // digits before the point beyond which the count does not matter
    private readonly Dictionary<Progress, int> _ids = [];
    private readonly List<Progress> _states = [];

    public NumberMachine(NumberBounds bounds)
    {
        _min = bounds.Min is { } min ? new Bound(min, bounds.MinExclusive) : null;
        _max = bounds.Max is { } max ? new Bound(max, bounds.MaxExclusive) : null;
        _integersOnly = bounds.IntegersOnly;
        (_divisor, _scale) = (1, 0);
        if (bounds.MultipleOf is { } multiple)
        {
            if (BigInteger.Abs(multiple.Digits) > MaxDivisor || multiple.Digits.IsZero)
            {
                throw new GrammarException($"multipleOf has more than {MaxDivisor} as its digits, or is zero; that is not supported");
            }

            _onlyMultiples = true;
            (_divisor, _scale) = ((int)BigInteger.Abs(multiple.Digits), multiple.Scale);
        }

        _maxCounted = Math.Max(_min?.Integer.Length ?? 0, _max?.Integer.Length ?? 0) + 1;
        Start = Intern(new Progress(Phase.Start));
    }

    private enum Phase : byte
    {
        Start,
        Minus,
        Zero,
        Integer,
        Point,
        Fraction,
    }

    public ByteClasses Classes { get; } = ByteClasses.Create(static value => value is '-' or '.' || char.IsAsciiDigit((char)value) ? value : 0);

    public int Start { get; }

    /// <inheritdoc/>
    public bool IsAccepting(int state)
    {
        Progress progress = _states[state];
        return progress.Phase is Phase.Zero or Phase.Integer or Phase.Fraction
            && Fits(progress)
            && progress.Remainder * BigInteger.Pow(10, _scale - progress.FractionDigits) % _divisor == 0;
    }

    /// <inheritdoc/>
    public int Next(int state, byte value)
    {
        Progress progress = _states[state];
        char c = (char)value;
        switch (progress.Phase)
        {
            case Phase.Start when c == '-':
                return Intern(progress with { Phase = Phase.Minus, Negative = true });
            case Phase.Start or Phase.Minus when c == '0':
                return Intern(Digit(progress, 0) with { Phase = Phase.Zero });
            case Phase.Start or Phase.Minus or Phase.Integer when char.IsAsciiDigit(c):
                return Intern(Digit(progress, c - '0') with { Phase = Phase.Integer });
            case Phase.Zero or Phase.Integer when c == '.' && !_integersOnly:
                return Intern(progress with { Phase = Phase.Point });
            case Phase.Point or Phase.Fraction when char.IsAsciiDigit(c):
                return Fraction(progress, c - '0');
            default:
                return -1;
        }
    }

    private Progress Digit(Progress progress, int digit)
    {
        int at = progress.IntegerDigits;
        return progress with
        {
            IntegerDigits = Math.Min(at + 1, _maxCounted),
            NonZero = progress.NonZero || digit != 0,
            Remainder = ((progress.Remainder * 10) + digit) % _divisor,
            ToMin = Compare(progress.ToMin, digit, _min?.Integer, at),
            ToMax = Compare(progress.ToMax, digit, _max?.Integer, at),
        };
    }

    private int Fraction(Progress progress, int digit)
    {
        int at = progress.FractionPlace;
        if (progress.FractionDigits == _scale && digit != 0 && _onlyMultiples)
        {
            return -1; // finer than any multiple
        }

        bool counts = progress.FractionDigits < _scale;
        int places = Math.Max(_min?.Fraction.Length ?? 0, _max?.Fraction.Length ?? 0);
        return Intern(progress with
        {
            Phase = Phase.Fraction,
            NonZero = progress.NonZero || digit != 0,
            FractionPlace = Math.Min(at + 1, places),
            FractionDigits = progress.FractionDigits + (counts ? 1 : 0),
            Remainder = counts ? ((progress.Remainder * 10) + digit) % _divisor : progress.Remainder,
            ToMin = CompareFraction(progress, progress.ToMin, digit, _min, at),
            ToMax = CompareFraction(progress, progress.ToMax, digit, _max, at),
        });
    }

    // The first digit that differs decides between numbers with equally many digits.
    private static sbyte Compare(sbyte soFar, int digit, string? bound, int at) =>
        soFar != 0 || bound is null || at >= bound.Length ? soFar : (sbyte)Math.Sign(digit - (bound[at] - '0'));

    private static sbyte CompareFraction(Progress progress, sbyte soFar, int digit, Bound? bound, int at)
    {
        if (bound is null || soFar != 0 || progress.IntegerDigits != bound.Value.Integer.Length)
        {
            return soFar;
        }

        string fraction = bound.Value.Fraction;
        return (sbyte)Math.Sign(digit - (at < fraction.Length ? fraction[at] - '0' : 0));
    }

    private bool Fits(Progress progress)
    {
        int toMin = _min is { } min ? Signed(progress, progress.ToMin, min) : 1;
        int toMax = _max is { } max ? Signed(progress, progress.ToMax, max) : -1;
        return (toMin > 0 || (toMin == 0 && !_min!.Value.Exclusive)) && (toMax < 0 || (toMax == 0 && !_max!.Value.Exclusive));
    }

    /// <summary>The sign of the number minus the bound.</summary>
    private static int Signed(Progress progress, sbyte compared, Bound bound)
    {
        int magnitude = progress.IntegerDigits != bound.Integer.Length ? Math.Sign(progress.IntegerDigits - bound.Integer.Length) : compared;
        if (magnitude == 0 && progress.FractionPlace < bound.Fraction.Length)
        {
            magnitude = -1; // the bound has further digits, the last of which is not zero
        }

        if (progress.Negative == bound.Negative)
        {
            return progress.Negative ? -magnitude : magnitude;
        }

        bool bothZero = bound.IsZero && progress.IsZero;
        return bothZero ? 0 : progress.Negative ? -1 : 1;
    }

    private int Intern(Progress progress)
    {
        if (!_ids.TryGetValue(progress, out int id))
        {
            id = _states.Count;
            _ids.Add(progress, id);
            _states.Add(progress);
        }

        return id;
    }

    /// <summary>A bound's digits before and behind the point, without its sign.</summary>
    private readonly record struct Bound
    {
        public Bound(ExactDecimal value, bool exclusive)
        {
            string digits = BigInteger.Abs(value.Digits).ToString(CultureInfo.InvariantCulture).PadLeft(value.Scale + 1, '0');
            Integer = digits[..^value.Scale];
            Fraction = digits[^value.Scale..];
            Negative = value.Digits.Sign < 0;
            IsZero = value.Digits.IsZero;
            Exclusive = exclusive;
        }

        public string Integer { get; }

        public string Fraction { get; }

        public bool Negative { get; }

        public bool IsZero { get; }

        public bool Exclusive { get; }
    }

    private readonly record struct Progress(
        Phase Phase, bool Negative = false, bool NonZero = false, int IntegerDigits = 0, int FractionPlace = 0, int FractionDigits = 0, int Remainder = 0, sbyte ToMin = 0, sbyte ToMax = 0)
    {
        public bool IsZero => !NonZero;
    }
}
