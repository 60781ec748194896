using System.Numerics;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>A decimal number, exactly: <see cref="Digits"/> times ten to the power of minus <see cref="Scale"/>.</summary>
/// <param name="Digits">With its sign.</param>
/// <param name="Scale">Digits behind the point, 0 or more.</param>
internal readonly record struct ExactDecimal(BigInteger Digits, int Scale)
{
    private const int MaxDigits = 400;

    /// <summary>Reads a JSON number; null when it is too long to be meant.</summary>
    public static ExactDecimal? Parse(string text)
    {
        int exponentAt = text.AsSpan().IndexOfAny('e', 'E');
        int exponent = 0;
        if (exponentAt >= 0 && (!int.TryParse(text.AsSpan(exponentAt + 1), System.Globalization.CultureInfo.InvariantCulture, out exponent) || Math.Abs(exponent) > MaxDigits))
        {
            return null;
        }

        string mantissa = exponentAt >= 0 ? text[..exponentAt] : text;
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        if (digits.Length > MaxDigits || !BigInteger.TryParse(digits, System.Globalization.CultureInfo.InvariantCulture, out BigInteger value))
        {
            return null;
        }

        int scale = (point < 0 ? 0 : mantissa.Length - point - 1) - exponent;
        if (scale < 0)
        {
            (value, scale) = (value * BigInteger.Pow(10, -scale), 0);
        }

        while (scale > 0 && value % 10 == 0)
        {
            (value, scale) = (value / 10, scale - 1);
        }

        return new ExactDecimal(value, scale);
    }

    /// <summary>The number without an exponent or needless zeros.</summary>
    public override string ToString()
    {
        string digits = BigInteger.Abs(Digits).ToString(System.Globalization.CultureInfo.InvariantCulture).PadLeft(Scale + 1, '0');
        string text = Scale == 0 ? digits : $"{digits[..^Scale]}.{digits[^Scale..]}";
        return Digits.Sign < 0 ? $"-{text}" : text;
    }
}

/// <summary>What a schema asks of numbers; null where it asks nothing.</summary>
internal sealed record NumberBounds
{
    public bool IntegersOnly { get; init; }

    public ExactDecimal? Min { get; init; }

    public bool MinExclusive { get; init; }

    public ExactDecimal? Max { get; init; }

    public bool MaxExclusive { get; init; }

    public ExactDecimal? MultipleOf { get; init; }

    public bool AreNone => Min is null && Max is null && MultipleOf is null;
}
