using System.Text;

namespace HelixFlow.Grpc.Tests.Wire;

/// <summary>As much of HPACK (RFC 7541) as the tests need: no dynamic table, no Huffman coding.</summary>
internal static class Hpack
{
    // RFC 7541, appendix A; only entries of the first 16 have values that matter here.
    private static readonly (string Name, string Value)[] Static =
    [
        .. new (string, string)[]
        {
            ("", ""), (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"),
            (":status", "200"), (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"),
        },
        .. ("accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
            + "content-disposition content-encoding content-language content-length content-location content-range content-type cookie date etag expect "
            + "expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards "
            + "proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security transfer-encoding "
            + "user-agent vary via www-authenticate").Split(' ').Select(name => (name, "")),
    ];

    /// <summary>Each header as a literal that no table keeps.</summary>
    public static byte[] Encode(IEnumerable<(string Name, string Value)> headers)
    {
        var block = new List<byte>();
        foreach ((string name, string value) in headers)
        {
            block.Add(0);
            Append(name);
            Append(value);
        }

        return [.. block];

        void Append(string text)
        {
            byte[] bytes = Encoding.Latin1.GetBytes(text);
            int length = bytes.Length;
            if (length < 127)
            {
                block.Add((byte)length);
            }
            else
            {
                block.Add(127);
                for (length -= 127; length >= 128; length >>= 7)
                {
                    block.Add((byte)(length | 128));
                }

                block.Add((byte)length);
            }

            block.AddRange(bytes);
        }
    }

    public static List<(string Name, string Value)> Decode(ReadOnlySpan<byte> block)
    {
        var headers = new List<(string, string)>();
        while (!block.IsEmpty)
        {
            byte first = block[0];
            if ((first & 0x80) != 0)
            {
                headers.Add(Static[Integer(ref block, 7)]);
            }
            else if ((first & 0xe0) == 0x20)
            {
                Integer(ref block, 5); // the table's size, which the tests have set to 0
            }
            else
            {
                int name = Integer(ref block, (first & 0x40) != 0 ? 6 : 4);
                string text = name == 0 ? Text(ref block) : Static[name].Name;
                headers.Add((text, Text(ref block)));
            }
        }

        return headers;
    }

    private static string Text(ref ReadOnlySpan<byte> block)
    {
        if ((block[0] & 0x80) != 0)
        {
            throw new NotSupportedException("Huffman coding");
        }

        int length = Integer(ref block, 7);
        string text = Encoding.Latin1.GetString(block[..length]);
        block = block[length..];
        return text;
    }

    private static int Integer(ref ReadOnlySpan<byte> block, int bits)
    {
        int most = (1 << bits) - 1;
        int value = block[0] & most;
        block = block[1..];
        if (value < most)
        {
            return value;
        }

        for (int shift = 0; ; shift += 7)
        {
            byte next = block[0];
            block = block[1..];
            value += (next & 127) << shift;
            if (next < 128)
            {
                return value;
            }
        }
    }
}
