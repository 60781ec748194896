using System.Text;
using HelixFlow.Engine.Grammar.Lexical;
using HelixFlow.Engine.Grammar.Parsing;

namespace HelixFlow.Engine.Grammar;

/// <summary>A piece of a text that is put together from fixed texts, markers, constrained values and free text. Immutable; compared by content.</summary>
public abstract record TextPart
{
    private TextPart()
    {
    }

    internal abstract Symbol Write(GrammarBuilder builder);

    /// <summary>This text and no other.</summary>
    public sealed record Literal(string Text) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder) => builder.Literal(Text);
    }

    /// <summary>A marker such as <c>[TOOL_CALLS]</c>: the special token that is written so where the vocabulary has one, else the text.</summary>
    public sealed record Marker(string Text) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder) => builder.Terminal(builder.Pool.Literal(builder.MarkerBytes(Text)));
    }

    /// <summary>What a constraint allows.</summary>
    public sealed record Constrained(Constraint Constraint) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder) => Constraint.Write(builder);
    }

    /// <summary>Any tokens at all, special ones included, that do not write one of some markers. Perhaps none.</summary>
    /// <param name="Without">The markers; each is looked for as a text and as the special token.</param>
    public sealed record Free(params IReadOnlyList<string> Without) : TextPart
    {
        /// <summary>An ECMA-262 expression: no text that it matches at its beginning either; null for none.</summary>
        public string? NotBeginning { get; init; }

        /// <summary>Set: goes on to the end of this marker, the first of its kind, where anything may follow. Else nothing may.</summary>
        public string? Until { get; init; }

        internal override Symbol Write(GrammarBuilder builder)
        {
            RegexPool pool = builder.Pool;
            int refused = pool.Or([.. Without.SelectMany(marker => Writings(marker, builder)).Select(marker => pool.Concat(pool.Anything, marker, pool.Anything))]);
            if (NotBeginning is { } expression)
            {
                refused = pool.Or(refused, pool.Concat(RegexParser.ParseWhole(expression, pool, Utf8Coding.Instance), pool.Anything));
            }

            if (Until is null)
            {
                return builder.Terminal(pool.Not(refused));
            }

            // Not free text with a marker behind it: then every place of the text might be the end of the first, and what follows be tried there.
            int end = pool.Literal(builder.MarkerBytes(Until));
            int[] earlier = [.. Writings(Until, builder).Select(marker => pool.Concat(pool.Anything, marker, pool.AllBytes, pool.Anything))];
            return builder.Terminal(pool.And(pool.Concat(pool.Anything, end), pool.Not(pool.Or([refused, .. earlier]))));
        }

        /// <inheritdoc/>
        public bool Equals(Free? other) =>
            other is not null && NotBeginning == other.NotBeginning && Until == other.Until && Without.SequenceEqual(other.Without, StringComparer.Ordinal);

        /// <inheritdoc/>
        public override int GetHashCode() => HashOf(Without, HashCode.Combine(NotBeginning, Until));

        private static IEnumerable<int> Writings(string marker, GrammarBuilder builder) =>
            [builder.Pool.Literal(Encoding.UTF8.GetBytes(marker)), builder.Pool.Literal(builder.MarkerBytes(marker))];
    }

    /// <summary>The parts one after the other.</summary>
    public sealed record Sequence(params IReadOnlyList<TextPart> Parts) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder) => builder.Sequence("sequence", [.. Parts.Select(part => part.Write(builder))]);

        /// <inheritdoc/>
        public bool Equals(Sequence? other) => other is not null && Parts.SequenceEqual(other.Parts);

        /// <inheritdoc/>
        public override int GetHashCode() => HashOf(Parts, 1);
    }

    /// <summary>One of the parts.</summary>
    public sealed record OneOf(params IReadOnlyList<TextPart> Parts) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder) => Parts.Count == 0
            ? throw new GrammarException("there is nothing to choose from")
            : builder.Choice("choice", [.. Parts.Select(part => part.Write(builder))]);

        /// <inheritdoc/>
        public bool Equals(OneOf? other) => other is not null && Parts.SequenceEqual(other.Parts);

        /// <inheritdoc/>
        public override int GetHashCode() => HashOf(Parts, 2);
    }

    /// <summary>A part any number of times.</summary>
    /// <param name="Part">The part.</param>
    /// <param name="Separator">What stands between two; null for nothing.</param>
    /// <param name="Least">How often at least: 0 or 1.</param>
    public sealed record Repeated(TextPart Part, TextPart? Separator = null, int Least = 1) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder) =>
            builder.Repeat("repeated", Part.Write(builder), Least, RegexPool.Unbounded, Separator?.Write(builder));
    }

    /// <summary>The arguments of a call that satisfy a schema.</summary>
    /// <param name="Schema">The schema as JSON text.</param>
    /// <param name="Notation">How they are written.</param>
    /// <param name="IsBestEffort">Whether any object will do where that cannot be guaranteed; otherwise it is an error.</param>
    /// <param name="WhiteSpace">What may stand between tokens.</param>
    public sealed record Arguments(string Schema, ArgumentNotation Notation, bool IsBestEffort, JsonWhiteSpace WhiteSpace = JsonWhiteSpace.Indented) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder)
        {
            try
            {
                return new Constraint.JsonSchema(Schema, WhiteSpace).Write(builder, Notation);
            }
            catch (GrammarException exception) when (IsBestEffort && exception is not GrammarTooComplexException)
            {
                return new Constraint.JsonSchema("""{"type":"object"}""", WhiteSpace).Write(builder, Notation);
            }
        }
    }

    /// <summary>A part whose errors are told with its name.</summary>
    /// <param name="Subject">See <see cref="GrammarException.Subject"/>.</param>
    /// <param name="Part">The part.</param>
    public sealed record Named(string Subject, TextPart Part) : TextPart
    {
        internal override Symbol Write(GrammarBuilder builder)
        {
            try
            {
                return Part.Write(builder);
            }
            catch (GrammarException exception) when (exception.Subject is null)
            {
                exception.Subject = Subject;
                throw;
            }
        }
    }

    private static int HashOf<T>(IReadOnlyList<T> items, int seed)
    {
        var hash = default(HashCode);
        hash.Add(seed);
        foreach (T item in items)
        {
            hash.Add(item);
        }

        return hash.ToHashCode();
    }
}
