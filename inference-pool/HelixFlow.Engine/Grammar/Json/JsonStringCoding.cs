using System.Globalization;
using System.Text;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar.Json;

/// <summary>Characters inside of a JSON string: as they are, but for those that must be escaped, which are written the way serialisers do.</summary>
/// <remarks>
/// Other ways to write a character, such as <c>\u0061</c> for a, are left out, so that a text has one writing and a constraint on the text is one on
/// the writing. RFC 8259, section 7.
/// </remarks>
internal sealed class JsonStringCoding : ICharacterCoding
{
    private static readonly CodePoints _plain = ~(CodePoints.Range(0, 0x1F) | CodePoints.Of('"', '\\'));

    public static JsonStringCoding Instance { get; } = new();

    /// <inheritdoc/>
    public int Write(RegexPool pool, CodePoints characters)
    {
        List<int> alternatives = [Utf8Coding.Instance.Write(pool, characters & _plain)];
        for (int value = 0; value <= '\\'; value += value == 0x1F ? '"' - 0x1F : value == '"' ? '\\' - '"' : 1)
        {
            if (characters.Contains(value))
            {
                alternatives.Add(Escaped(pool, value));
            }
        }

        return pool.Or([.. alternatives]);
    }

    private static int Escaped(RegexPool pool, int value)
    {
        char letter = value switch
        {
            '"' => '"',
            '\\' => '\\',
            '\b' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\f' => 'f',
            '\r' => 'r',
            _ => '\0',
        };
        if (letter != 0)
        {
            return pool.Literal([(byte)'\\', (byte)letter]);
        }

        string digits = value.ToString("x4", CultureInfo.InvariantCulture);
        return pool.Or(pool.Literal(Encoding.ASCII.GetBytes($"\\u{digits}")), pool.Literal(Encoding.ASCII.GetBytes($"\\u{digits.ToUpperInvariant()}")));
    }
}
