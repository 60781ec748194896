using System.Text.Json;
using HelixFlow.Engine.Grammar.Json;
using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;
using HelixFlow.Engine.Grammar.Text;

namespace HelixFlow.Engine.Grammar;

/// <summary>What a generated text must look like. Immutable; equal constraints compile to equal grammars.</summary>
public abstract record Constraint
{
    private Constraint()
    {
    }

    /// <summary>Compiles the constraint for a vocabulary. Takes from microseconds to some milliseconds.</summary>
    /// <exception cref="GrammarException">It is wrong or cannot be guaranteed; the message says what and where.</exception>
    public TokenGrammar Compile(GrammarVocabulary vocabulary) => TokenGrammar.Compile(vocabulary, Write);

    internal abstract Symbol Write(GrammarBuilder builder);

    /// <summary>A JSON value that satisfies a schema (draft 2020-12).</summary>
    /// <param name="Schema">The schema as JSON text.</param>
    /// <param name="WhiteSpace">What may stand between tokens.</param>
    public sealed record JsonSchema(string Schema, JsonWhiteSpace WhiteSpace = JsonWhiteSpace.Indented) : Constraint
    {
        internal override Symbol Write(GrammarBuilder builder) => Write(builder, ArgumentNotation.Json);

        /// <summary>The arguments of a call that satisfy the schema.</summary>
        internal Symbol Write(GrammarBuilder builder, ArgumentNotation notation)
        {
            try
            {
                using JsonDocument json = JsonDocument.Parse(Schema, new JsonDocumentOptions { MaxDepth = 256 });
                var document = new SchemaDocument(json.RootElement.Clone());
                JsonLexemes? text = notation == ArgumentNotation.Xml ? new JsonLexemes(builder, WhiteSpace, ArgumentNotation.Text) : null;
                return new SchemaWriter(builder, new JsonLexemes(builder, WhiteSpace, notation), document).WriteArguments(document.Root, text);
            }
            catch (JsonException exception)
            {
                throw new GrammarException($"the schema is no JSON: {exception.Message}");
            }
        }
    }

    /// <summary>Any JSON object.</summary>
    /// <param name="WhiteSpace">What may stand between tokens.</param>
    public sealed record JsonObject(JsonWhiteSpace WhiteSpace = JsonWhiteSpace.Indented) : Constraint
    {
        internal override Symbol Write(GrammarBuilder builder) => new JsonSchema("""{"type":"object"}""", WhiteSpace).Write(builder);
    }

    /// <summary>A text that an ECMA-262 regular expression matches as a whole.</summary>
    /// <param name="Pattern">The expression.</param>
    public sealed record Regex(string Pattern) : Constraint
    {
        internal override Symbol Write(GrammarBuilder builder) => builder.Terminal(RegexParser.ParseWhole(Pattern, builder.Pool, Utf8Coding.Instance));
    }

    /// <summary>A text of a grammar in GBNF (<c>root ::= …</c>), or in Lark's notation (<c>start: …</c>).</summary>
    /// <param name="Text">The grammar; which notation it is shows in its rules.</param>
    public sealed record Grammar(string Text) : Constraint
    {
        internal override Symbol Write(GrammarBuilder builder) =>
            Text.Contains("::=", StringComparison.Ordinal) ? GbnfReader.Read(Text, builder) : LarkReader.Read(Text, builder);
    }

    /// <summary>One of some texts.</summary>
    /// <param name="Texts">At least one.</param>
    public sealed record Choice(IReadOnlyList<string> Texts) : Constraint
    {
        /// <inheritdoc/>
        public bool Equals(Choice? other) => other is not null && Texts.SequenceEqual(other.Texts, StringComparer.Ordinal);

        /// <inheritdoc/>
        public override int GetHashCode()
        {
            var hash = default(HashCode);
            foreach (string text in Texts)
            {
                hash.Add(text, StringComparer.Ordinal);
            }

            return hash.ToHashCode();
        }

        internal override Symbol Write(GrammarBuilder builder) => Texts.Count == 0
            ? throw new GrammarException("a choice needs at least one text")
            : builder.Terminal(builder.Pool.Or([.. Texts.Select(text => builder.Pool.Literal(System.Text.Encoding.UTF8.GetBytes(text)))]));
    }

    /// <summary>A text that is put together from parts.</summary>
    /// <param name="Text">The whole text.</param>
    public sealed record Composed(TextPart Text) : Constraint
    {
        internal override Symbol Write(GrammarBuilder builder) => Text.Write(builder);
    }
}
