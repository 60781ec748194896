using System.Globalization;
using System.Text;
using Grpc.Core;

namespace Grpc.Framing;

/// <summary>How metadata values, status messages and timeouts are written in headers (grpc's PROTOCOL-HTTP2).</summary>
internal static class HeaderCoding
{
    private const int MostTimeoutDigits = 8;

    /// <summary>A metadata value as a header value: bytes as base64 without padding.</summary>
    public static string Encode(Metadata.Entry entry) => entry.IsBinary ? Convert.ToBase64String(entry.ValueBytes).TrimEnd('=') : entry.Value;

    /// <summary>Whether a header can carry the value: bytes always, text when it is printable ASCII.</summary>
    public static bool CanCarry(Metadata.Entry entry) => entry.IsBinary || !entry.Value.AsSpan().ContainsAnyExceptInRange(' ', '~');

    /// <summary>Adds a received header to metadata, unless its name is no key of metadata. Binary values may be joined by commas and may lack padding.</summary>
    /// <exception cref="RpcException">A binary value is not base64.</exception>
    public static void Decode(Metadata metadata, string name, string value)
    {
        if (!Metadata.Entry.IsKey(name))
        {
            return;
        }

        if (!name.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase))
        {
            metadata.Add(name, value);
            return;
        }

        foreach (string part in value.Split(','))
        {
            metadata.Add(name, DecodeBase64(name, part.Trim()));
        }
    }

    /// <summary>Percent-encodes what is not printable ASCII, and '%' itself, byte by byte of the UTF-8 text.</summary>
    public static string EncodeMessage(string message)
    {
        if (!message.AsSpan().ContainsAnyExceptInRange(' ', '~') && !message.Contains('%'))
        {
            return message;
        }

        var encoded = new StringBuilder(message.Length + 16);
        foreach (byte value in Encoding.UTF8.GetBytes(message))
        {
            _ = value is >= 0x20 and <= 0x7e and not (byte)'%' ? encoded.Append((char)value) : encoded.Append('%').Append(value.ToString("X2", CultureInfo.InvariantCulture));
        }

        return encoded.ToString();
    }

    /// <summary>Undoes <see cref="EncodeMessage"/>; what is not a percent-escape stays as it is.</summary>
    public static string DecodeMessage(string message)
    {
        if (!message.Contains('%'))
        {
            return message;
        }

        var bytes = new List<byte>(message.Length);
        for (int i = 0; i < message.Length; i++)
        {
            if (message[i] == '%' && i + 2 < message.Length && byte.TryParse(message.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte escaped))
            {
                bytes.Add(escaped);
                i += 2;
            }
            else
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(message, i, 1));
            }
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>A positive duration with the finest unit in which it has at most eight digits, rounded up.</summary>
    public static string EncodeTimeout(TimeSpan timeout)
    {
        double most = Math.Pow(10, MostTimeoutDigits) - 1;
        (double Amount, char Unit) best = timeout.TotalMicroseconds <= most ? (timeout.TotalMicroseconds, 'u')
            : timeout.TotalMilliseconds <= most ? (timeout.TotalMilliseconds, 'm')
            : timeout.TotalSeconds <= most ? (timeout.TotalSeconds, 'S')
            : timeout.TotalMinutes <= most ? (timeout.TotalMinutes, 'M')
            : (Math.Min(timeout.TotalHours, most), 'H');
        return string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, Math.Ceiling(best.Amount)):F0}{best.Unit}");
    }

    /// <summary>Reads a timeout: 1 to 8 digits and a unit; false for anything else.</summary>
    public static bool TryDecodeTimeout(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > MostTimeoutDigits + 1 || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out long amount))
        {
            return false;
        }

        long ticks = text[^1] switch
        {
            'n' => amount / TimeSpan.NanosecondsPerTick,
            'u' => amount * TimeSpan.TicksPerMicrosecond,
            'm' => amount * TimeSpan.TicksPerMillisecond,
            'S' => amount * TimeSpan.TicksPerSecond,
            'M' => amount * TimeSpan.TicksPerMinute,
            'H' => (long)Math.Min(long.MaxValue, (decimal)amount * TimeSpan.TicksPerHour),
            _ => -1,
        };
        timeout = TimeSpan.FromTicks(Math.Max(0, ticks));
        return ticks >= 0;
    }

    private static byte[] DecodeBase64(string name, string text)
    {
        try
        {
            return Convert.FromBase64String(text.PadRight((text.Length + 3) / 4 * 4, '='));
        }
        catch (FormatException exception)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"The value of the header '{name}' is not base64.", exception));
        }
    }
}
