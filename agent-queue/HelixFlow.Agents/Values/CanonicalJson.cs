using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace HelixFlow.Agents.Values;

/// <summary>One spelling for each JSON value, so that equal values have equal bytes and equal hashes: RFC 8785, the JSON Canonicalization Scheme.</summary>
public static partial class CanonicalJson
{
    private const long MostExact = 1L << 53; // whole numbers up to here are doubles too, and written the same
    private const int MostDigits = 20;

    private static readonly SearchValues<char> Escaped = SearchValues.Create("\"\\" + new string([.. Enumerable.Range(0, ' ').Select(static c => (char)c)]));

    /// <summary>The canonical UTF-8 text of a value.</summary>
    /// <exception cref="FormatException">A number is too large for a double, an object has a key twice, or a text holds half a surrogate pair.</exception>
    public static byte[] Of(JsonElement value)
    {
        var output = new ArrayBufferWriter<byte>();
        Write(output, value);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>The canonical UTF-8 text of a JSON text.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="FormatException">As for <see cref="Of(JsonElement)"/>.</exception>
    public static byte[] Of(ReadOnlyMemory<byte> json) => IsPlain(json.Span) ? json.ToArray() : OfAny(json);

    /// <summary>As the other one; a text that is canonical already is given back itself.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="FormatException">As for <see cref="Of(JsonElement)"/>.</exception>
    internal static byte[] OfOwned(byte[] json) => IsPlain(json) ? json : OfAny(json);

    private static byte[] OfAny(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        return Of(document.RootElement);
    }

    /// <summary>A number as ECMAScript prints it (RFC 8785, section 3.2.2.3): the shortest digits that read back as the same double.</summary>
    public static string Of(double number)
    {
        if (!double.IsFinite(number))
        {
            throw new FormatException("JSON has no infinity and no NaN.");
        }

        if (number == 0)
        {
            return "0";
        }

        // .NET gives the same shortest digits; where the point goes and when an exponent is written differs.
        (string digits, int exponent) = Split(Math.Abs(number).ToString("R", CultureInfo.InvariantCulture));
        string sign = number < 0 ? "-" : "";
        int point = exponent + 1; // the value is 0.digits × 10^point
        int length = digits.Length;
        if (point is > 0 and <= 21)
        {
            return sign + (length <= point ? digits + new string('0', point - length) : $"{digits[..point]}.{digits[point..]}");
        }

        if (point is > -6 and <= 0)
        {
            return sign + "0." + new string('0', -point) + digits;
        }

        string mantissa = length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
        return $"{sign}{mantissa}e{(exponent < 0 ? "-" : "+")}{Math.Abs(exponent).ToString(CultureInfo.InvariantCulture)}";
    }

    /// <summary>Digits without leading and trailing zeros, and the exponent of the first of them.</summary>
    private static (string Digits, int Exponent) Split(string number)
    {
        int e = number.IndexOf('E', StringComparison.Ordinal);
        int exponent = e < 0 ? 0 : int.Parse(number.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? number : number[..e];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        exponent += (point < 0 ? mantissa.Length : point) - 1;
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);
        int zeros = digits.Length - digits.TrimStart('0').Length;
        return (digits[zeros..].TrimEnd('0'), exponent - zeros);
    }

    private static void Write(ArrayBufferWriter<byte> output, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                WriteObject(output, value);
                break;
            case JsonValueKind.Array:
                output.Write("["u8);
                int index = 0;
                foreach (JsonElement item in value.EnumerateArray())
                {
                    if (index++ > 0)
                    {
                        output.Write(","u8);
                    }

                    Write(output, item);
                }

                output.Write("]"u8);
                break;
            case JsonValueKind.String:
                WriteText(output, TextOf(value));
                break;
            case JsonValueKind.Number when value.TryGetInt64(out long whole) && whole is > -MostExact and < MostExact:
                Utf8Formatter.TryFormat(whole, output.GetSpan(MostDigits), out int digits);
                output.Advance(digits);
                break;
            case JsonValueKind.Number:
                double number = value.GetDouble();
                output.Write(Encoding.ASCII.GetBytes(double.IsFinite(number) ? Of(number) : throw new FormatException($"{value.GetRawText()} is too large for a double.")));
                break;
            default:
                output.Write(Encoding.ASCII.GetBytes(value.GetRawText()));
                break;
        }
    }

    private static void WriteObject(ArrayBufferWriter<byte> output, JsonElement value)
    {
        var members = new List<(string Name, JsonElement Value)>();
        foreach (JsonProperty property in value.EnumerateObject())
        {
            members.Add((property.Name, property.Value));
        }

        members.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name)); // by UTF-16 code units, as the RFC says
        output.Write("{"u8);
        for (int i = 0; i < members.Count; i++)
        {
            if (i > 0)
            {
                if (members[i].Name == members[i - 1].Name)
                {
                    throw new FormatException($"An object has the key \"{members[i].Name}\" twice.");
                }

                output.Write(","u8);
            }

            WriteText(output, members[i].Name);
            output.Write(":"u8);
            Write(output, members[i].Value);
        }

        output.Write("}"u8);
    }

    private static string TextOf(JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new FormatException("A text holds half a surrogate pair.", exception);
        }
    }

    private static void WriteText(ArrayBufferWriter<byte> output, string text)
    {
        if (!text.AsSpan().ContainsAny(Escaped))
        {
            output.Write("\""u8);
            Encoding.UTF8.GetBytes(text, output);
            output.Write("\""u8);
            return;
        }

        var escaped = new StringBuilder(text.Length + 2);
        escaped.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => escaped.Append("\\\""),
                '\\' => escaped.Append("\\\\"),
                '\b' => escaped.Append("\\b"),
                '\t' => escaped.Append("\\t"),
                '\n' => escaped.Append("\\n"),
                '\f' => escaped.Append("\\f"),
                '\r' => escaped.Append("\\r"),
                < ' ' => escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => escaped.Append(c),
            };
        }

        escaped.Append('"');
        output.Write(Encoding.UTF8.GetBytes(escaped.ToString()));
    }
}
