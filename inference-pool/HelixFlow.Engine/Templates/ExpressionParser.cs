using System.Globalization;

namespace HelixFlow.Engine.Templates;

/// <summary>Reads expressions, by Jinja's precedence: inline if, or, and, not, comparison, + -, ~, * / // %, **, filters, sign, then postfix.</summary>
internal sealed class ExpressionParser(TokenReader tokens)
{
    private const int MaxNesting = 100;

    // A chain such as a + a + … is a tree as deep as it is long, and evaluating it recurses.
    private const int MaxChain = 1000;

    private int _nesting;

    /// <summary>Set: collects the names that expressions use.</summary>
    public HashSet<string>? Referenced { get; set; }

    /// <summary>One expression, or several with commas, which make a tuple.</summary>
    public Expression Tuple()
    {
        Expression first = Single();
        return tokens.Current.IsOperator(",") ? RestOfTuple(first) : first;
    }

    /// <summary>One expression, an inline if included.</summary>
    public Expression Single()
    {
        if (++_nesting > MaxNesting)
        {
            throw tokens.Error($"expressions are nested more than {MaxNesting} deep");
        }

        Expression value = Or();
        int line = tokens.Current.Line;
        for (int length = 0; tokens.TakeName("if"); length++)
        {
            CheckChain(length);
            Expression condition = Or();
            value = new Conditional(condition, value, tokens.TakeName("else") ? Single() : null, line);
        }

        _nesting--;
        return value;
    }

    /// <summary>What a for loop goes through: an "if" behind it is the loop's own.</summary>
    public Expression WithoutCondition()
    {
        Expression first = Or();
        return tokens.Current.IsOperator(",") ? RestOfTuple(first) : first;
    }

    /// <summary>The parameters of a macro, in parentheses.</summary>
    public List<(string Name, Expression? Default)> Parameters()
    {
        var parameters = new List<(string, Expression?)>();
        tokens.ExpectOperator("(");
        while (!tokens.TakeOperator(")"))
        {
            string name = tokens.Expect(TokenKind.Name, "a parameter's name").Text;
            parameters.Add((name, tokens.TakeOperator("=") ? Single() : null));
            if (!tokens.Current.IsOperator(")"))
            {
                tokens.ExpectOperator(",");
            }
        }

        return parameters;
    }

    /// <summary>A filter's name and arguments, behind the bar.</summary>
    public (string Name, ArgumentList Arguments) FilterCall()
    {
        TemplateToken name = tokens.Expect(TokenKind.Name, "a filter's name");
        if (!Filters.IsKnown(name.Text))
        {
            throw new TemplateSyntaxException($"there is no filter '{name.Text}'", name.Line, name.Column);
        }

        return (name.Text, tokens.Current.IsOperator("(") ? Arguments() : ArgumentList.None);
    }

    private ListLiteral RestOfTuple(Expression first)
    {
        var items = new List<Expression> { first };
        while (tokens.TakeOperator(",") && StartsExpression())
        {
            items.Add(Single());
        }

        return new ListLiteral(items, isTuple: true, first.Line);
    }

    private bool StartsExpression() => tokens.Current.Kind is TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float
        || (tokens.Current.Kind == TokenKind.Operator && tokens.Current.Text is "(" or "[" or "{" or "-" or "+");

    private Expression Or()
    {
        Expression left = And();
        for (int length = 0; tokens.Current is var token && tokens.TakeName("or"); length++)
        {
            CheckChain(length);
            left = new Logical(left, And(), isAnd: false, token.Line);
        }

        return left;
    }

    private Expression And()
    {
        Expression left = Negated();
        for (int length = 0; tokens.Current is var token && tokens.TakeName("and"); length++)
        {
            CheckChain(length);
            left = new Logical(left, Negated(), isAnd: true, token.Line);
        }

        return left;
    }

    private Expression Negated()
    {
        int negations = 0;
        int line = tokens.Current.Line;
        while (tokens.TakeName("not"))
        {
            negations++;
        }

        Expression value = Compared();
        for (int i = 0; i < Math.Min(negations, 2 - (negations & 1)); i++)
        {
            value = new Not(value, line);
        }

        return value;
    }

    private Expression Compared()
    {
        Expression left = Sum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            TemplateToken token = tokens.Current;
            if (token.Kind == TokenKind.Operator && token.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
            {
                tokens.Take();
                rest.Add((token.Text, Sum()));
            }
            else if (tokens.TakeName("in"))
            {
                rest.Add(("in", Sum()));
            }
            else if (token.IsName("not") && tokens.Next.IsName("in"))
            {
                tokens.Take();
                tokens.Take();
                rest.Add(("not in", Sum()));
            }
            else
            {
                return rest.Count == 0 ? left : new Comparison(left, rest, left.Line);
            }
        }
    }

    private Expression Sum() => Binary(Concatenation, "+", "-");

    private Expression Concatenation() => Binary(Product, "~");

    private Expression Product() => Binary(Power, "*", "/", "//", "%");

    private Expression Binary(Func<Expression> operand, params ReadOnlySpan<string> operators)
    {
        Expression left = operand();
        for (int length = 0; tokens.Current is { Kind: TokenKind.Operator } token && operators.Contains(token.Text); length++)
        {
            CheckChain(length);
            tokens.Take();
            left = new Arithmetic(left, token.Text, operand(), token.Line);
        }

        return left;
    }

    private Expression Power()
    {
        Expression left = Signed(withFilters: true);
        for (int length = 0; tokens.Current is var token && tokens.TakeOperator("**"); length++)
        {
            CheckChain(length);
            left = new Arithmetic(left, "**", Signed(withFilters: true), token.Line);
        }

        return left;
    }

    // Jinja's own order, not Python's: the sign binds tighter than ** and than filters.
    private Expression Signed(bool withFilters)
    {
        TemplateToken token = tokens.Current;
        Expression value;
        if (token.IsOperator("-") || token.IsOperator("+"))
        {
            if (++_nesting > MaxNesting)
            {
                throw tokens.Error($"expressions are nested more than {MaxNesting} deep");
            }

            tokens.Take();
            value = new Negation(Signed(withFilters: false), token.Text == "-", token.Line);
            _nesting--;
        }
        else
        {
            value = Primary();
        }

        return Suffixed(value, withFilters);
    }

    // What stands behind a value: .name, [index], (arguments), | filter, is test.
    private Expression Suffixed(Expression value, bool withFilters)
    {
        for (int length = 0; ; length++)
        {
            CheckChain(length);
            TemplateToken token = tokens.Current;
            if (tokens.TakeOperator("."))
            {
                TemplateToken name = tokens.Take();
                value = name.Kind switch
                {
                    TokenKind.Name => new Access(value, new Literal(name.Text, name.Line), isAttribute: true, name.Line),
                    TokenKind.Integer => new Access(value, new Literal(Integer(name), name.Line), isAttribute: false, name.Line),
                    _ => throw new TemplateSyntaxException($"{name.Describe()} is not expected behind a dot; a name is", name.Line, name.Column),
                };
            }
            else if (tokens.TakeOperator("["))
            {
                value = Subscript(value, token.Line);
            }
            else if (token.IsOperator("("))
            {
                value = new Call(value, Arguments(), token.Line);
            }
            else if (withFilters && tokens.TakeOperator("|"))
            {
                (string name, ArgumentList arguments) = FilterCall();
                value = new Filtered(value, name, arguments, token.Line);
            }
            else if (withFilters && tokens.TakeName("is"))
            {
                value = Test(value, token.Line);
            }
            else
            {
                return value;
            }
        }
    }

    private Tested Test(Expression value, int line)
    {
        bool negated = tokens.TakeName("not");
        TemplateToken name = tokens.Current.Kind == TokenKind.Operator ? tokens.Take() : tokens.Expect(TokenKind.Name, "a test's name");
        if (!Tests.IsKnown(name.Text))
        {
            throw new TemplateSyntaxException($"there is no test '{name.Text}'", name.Line, name.Column);
        }

        ArgumentList arguments = ArgumentList.None;
        if (tokens.Current.IsOperator("("))
        {
            arguments = Arguments();
        }
        else if (StartsExpression() && !(tokens.Current.Kind == TokenKind.Name && tokens.Current.Text is "and" or "or" or "if" or "else" or "is" or "in" or "not")
            && !(tokens.Current.Kind == TokenKind.Operator && tokens.Current.Text is "+" or "-"))
        {
            arguments = new ArgumentList([Suffixed(Primary(), withFilters: false)], []);
        }

        return new Tested(value, name.Text, arguments, negated, line);
    }

    private Expression Subscript(Expression target, int line)
    {
        Expression? start = tokens.Current.IsOperator(":") ? null : Tuple();
        if (tokens.TakeOperator("]"))
        {
            return new Access(target, start!, isAttribute: false, line);
        }

        tokens.ExpectOperator(":");
        Expression? stop = tokens.Current.IsOperator(":") || tokens.Current.IsOperator("]") ? null : Single();
        Expression? step = tokens.TakeOperator(":") && !tokens.Current.IsOperator("]") ? Single() : null;
        tokens.ExpectOperator("]");
        return new Slice(target, start, stop, step, line);
    }

    private ArgumentList Arguments()
    {
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        tokens.ExpectOperator("(");
        while (!tokens.TakeOperator(")"))
        {
            int line = tokens.Current.Line;
            if (tokens.TakeOperator("*"))
            {
                positional.Add(new Spread(Single(), line));
            }
            else if (tokens.TakeOperator("**"))
            {
                named.Add(("**", new Spread(Single(), line)));
            }
            else if (tokens.Current.Kind == TokenKind.Name && tokens.Next.IsOperator("="))
            {
                string name = tokens.Take().Text;
                tokens.Take();
                named.Add((name, Single()));
            }
            else
            {
                positional.Add(Single());
            }

            if (!tokens.Current.IsOperator(")"))
            {
                tokens.ExpectOperator(",");
            }
        }

        return new ArgumentList(positional, named);
    }

    private Expression Primary()
    {
        TemplateToken token = tokens.Take();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new Literal(true, token.Line),
                    "false" or "False" => new Literal(false, token.Line),
                    "none" or "None" => new Literal(null, token.Line),
                    _ => Reference(token),
                };
            case TokenKind.Integer:
                return new Literal(Integer(token), token.Line);
            case TokenKind.Float:
                return new Literal(double.Parse(token.Text, CultureInfo.InvariantCulture), token.Line);
            case TokenKind.String:
                string text = token.Text;
                while (tokens.Current.Kind == TokenKind.String)
                {
                    text += tokens.Take().Text;
                }

                return new Literal(text, token.Line);
            case TokenKind.Operator when token.Text == "(":
                return Parenthesised(token);
            case TokenKind.Operator when token.Text == "[":
                return new ListLiteral(Items("]"), isTuple: false, token.Line);
            case TokenKind.Operator when token.Text == "{":
                return Dictionary(token.Line);
            default:
                throw new TemplateSyntaxException($"{token.Describe()} is not expected here; a value is", token.Line, token.Column);
        }
    }

    private NameReference Reference(TemplateToken token)
    {
        Referenced?.Add(token.Text);
        return new NameReference(token.Text, token.Line);
    }

    private Expression Parenthesised(TemplateToken open)
    {
        if (tokens.TakeOperator(")"))
        {
            return new ListLiteral([], isTuple: true, open.Line);
        }

        Expression value = Tuple();
        tokens.ExpectOperator(")");
        return value;
    }

    private List<Expression> Items(string end)
    {
        var items = new List<Expression>();
        while (!tokens.TakeOperator(end))
        {
            items.Add(Single());
            if (!tokens.Current.IsOperator(end))
            {
                tokens.ExpectOperator(",");
            }
        }

        return items;
    }

    private DictLiteral Dictionary(int line)
    {
        var entries = new List<(Expression, Expression)>();
        while (!tokens.TakeOperator("}"))
        {
            Expression key = Single();
            tokens.ExpectOperator(":");
            entries.Add((key, Single()));
            if (!tokens.Current.IsOperator("}"))
            {
                tokens.ExpectOperator(",");
            }
        }

        return new DictLiteral(entries, line);
    }

    private void CheckChain(int length)
    {
        if (length >= MaxChain)
        {
            throw tokens.Error($"an expression chains more than {MaxChain} operators");
        }
    }

    private static long Integer(TemplateToken token)
    {
        string digits = token.Text.Replace("_", "", StringComparison.Ordinal);
        try
        {
            return digits.Length > 2 && digits[0] == '0' && char.IsAsciiLetter(digits[1])
                ? Convert.ToInt64(digits[2..], char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, _ => 2 })
                : long.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is FormatException or OverflowException or ArgumentException)
        {
            throw new TemplateSyntaxException($"'{token.Text}' is no integer of 64 bits", token.Line, token.Column);
        }
    }
}
