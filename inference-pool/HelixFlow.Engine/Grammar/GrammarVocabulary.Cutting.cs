using System.Text;
using HelixFlow.Engine.Grammar.Lexical;

namespace HelixFlow.Engine.Grammar;

public sealed partial class GrammarVocabulary
{
    /// <summary>Cuts bytes into tokens as the tokenizer does.</summary>
    /// <param name="bytes">Bytes of texts and of special tokens.</param>
    /// <param name="next">What may follow: a token at the end that goes on in a longer one with such a byte is left out, since that may be the one.</param>
    internal int[] Cut(ReadOnlySpan<byte> bytes, ByteSet next)
    {
        var tokens = new List<int>();
        while (!bytes.IsEmpty)
        {
            if (bytes[0] == SpecialMark)
            {
                if (bytes.Length < SpecialLength)
                {
                    return [.. tokens]; // looked ahead no further
                }

                int token = 0;
                for (int i = 1; i < SpecialLength; i++)
                {
                    token = (token << 6) | (bytes[i] & 0x3F);
                }

                tokens.Add(token);
                bytes = bytes[SpecialLength..];
                continue;
            }

            int end = bytes.IndexOf(SpecialMark);
            ReadOnlySpan<byte> text = end < 0 ? bytes : bytes[..end];
            bytes = bytes[text.Length..];
            if (!TryEncode(text, tokens) && !TryCutLongest(text, tokens))
            {
                return [.. tokens];
            }

            if (bytes.IsEmpty && Tree.MayGoOn(BytesOf(tokens[^1]), next))
            {
                tokens.RemoveAt(tokens.Count - 1);
            }
        }

        return [.. tokens];
    }

    // Some tokenizers put a blank before a text or normalise it, and a text may begin inside of a character: then the tokens are not these bytes.
    private bool TryEncode(ReadOnlySpan<byte> text, List<int> tokens)
    {
        if (_tokenizer is null)
        {
            return false;
        }

        int[] encoded = _tokenizer.Encode(Encoding.UTF8.GetString(text), addSpecial: false, parseSpecial: false);
        ReadOnlySpan<byte> rest = text;
        foreach (int token in encoded)
        {
            ReadOnlySpan<byte> own = BytesOf(token);
            if (own.IsEmpty || !rest.StartsWith(own))
            {
                return false;
            }

            rest = rest[own.Length..];
        }

        if (!rest.IsEmpty)
        {
            return false;
        }

        tokens.AddRange(encoded);
        return true;
    }

    private bool TryCutLongest(ReadOnlySpan<byte> text, List<int> tokens)
    {
        while (!text.IsEmpty)
        {
            int longest = Tree.Longest(text, out int length);
            if (longest < 0)
            {
                return false;
            }

            tokens.Add(longest);
            text = text[length..];
        }

        return true;
    }
}
