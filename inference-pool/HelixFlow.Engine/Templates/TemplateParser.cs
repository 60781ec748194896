namespace HelixFlow.Engine.Templates;

/// <summary>Reads tokens into statements.</summary>
internal sealed class TemplateParser
{
    private const int MaxNesting = 200;

    private readonly ExpressionParser _expressions;
    private readonly TokenReader _tokens;
    private int _nesting;
    private int _loops;

    private TemplateParser(List<TemplateToken> tokens)
    {
        _tokens = new TokenReader(tokens);
        _expressions = new ExpressionParser(_tokens);
    }

    /// <exception cref="TemplateSyntaxException">The text is not a template.</exception>
    public static List<Statement> Parse(string source)
    {
        var parser = new TemplateParser(TemplateLexer.Tokenize(source));
        List<Statement> body = parser.Body([]);
        return parser._tokens.Current.Kind == TokenKind.End ? body : throw parser._tokens.Unexpected("text or a tag");
    }

    /// <summary>Statements up to a block tag of one of the names, which is left with its name as the current token.</summary>
    private List<Statement> Body(string[] ends)
    {
        if (++_nesting > MaxNesting)
        {
            throw _tokens.Error($"blocks are nested more than {MaxNesting} deep");
        }

        var body = new List<Statement>();
        while (true)
        {
            TemplateToken token = _tokens.Current;
            switch (token.Kind)
            {
                case TokenKind.End when ends.Length > 0:
                    throw _tokens.Error($"the template ends before {string.Join(" or ", ends.Select(end => $"'{{% {end} %}}'"))}");
                case TokenKind.End:
                    _nesting--;
                    return body;
                case TokenKind.Data:
                    _tokens.Take();
                    body.Add(new Text(token.Text, token.Line));
                    break;
                case TokenKind.VariableBegin:
                    _tokens.Take();
                    body.Add(new Print(_expressions.Tuple(), token.Line));
                    _tokens.Expect(TokenKind.VariableEnd, "'}}'");
                    break;
                default:
                    _tokens.Expect(TokenKind.BlockBegin, "'{%'");
                    if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Text))
                    {
                        _nesting--;
                        return body;
                    }

                    body.Add(Block());
                    break;
            }
        }
    }

    private Statement Block()
    {
        TemplateToken name = _tokens.Expect(TokenKind.Name, "the name of a tag");
        switch (name.Text)
        {
            case "if": return ParseIf(name.Line);
            case "for": return ParseFor(name.Line);
            case "set": return ParseSet(name.Line);
            case "macro": return ParseMacro(name.Line);
            case "call": return ParseCall(name.Line);
            case "filter": return ParseFilter(name.Line);
            case "with": return ParseWith(name.Line);
            case "generation": return ParseGeneration(name.Line);
            case "break" or "continue" when _loops > 0:
                EndTag();
                return new Jump(name.Text == "break" ? Flow.Break : Flow.Continue, name.Line);
            default: throw new TemplateSyntaxException(
                $"'{name.Text}' is no tag that is expected here; known are if, for, set, macro, call, filter, with, generation, break, continue and raw", name.Line, name.Column);
        }
    }

    private If ParseIf(int line)
    {
        var branches = new List<(Expression, List<Statement>)>();
        List<Statement> otherwise = [];
        Expression condition = _expressions.Tuple();
        EndTag();
        while (true)
        {
            branches.Add((condition, Body(["elif", "else", "endif"])));
            string end = _tokens.Take().Text;
            if (end == "elif")
            {
                condition = _expressions.Tuple();
                EndTag();
                continue;
            }

            EndTag();
            if (end == "else")
            {
                otherwise = Body(["endif"]);
                _tokens.Take();
                EndTag();
            }

            return new If(branches, otherwise, line);
        }
    }

    private For ParseFor(int line)
    {
        Target target = Assigned(isLoop: true);
        _tokens.ExpectName("in");
        Expression items = _expressions.WithoutCondition();
        Expression? condition = _tokens.TakeName("if") ? _expressions.Single() : null;
        bool isRecursive = _tokens.TakeName("recursive");
        EndTag();
        _loops++;
        List<Statement> body = Body(["else", "endfor"]);
        _loops--;
        bool hasElse = _tokens.Take().Text == "else";
        EndTag();
        List<Statement> otherwise = [];
        if (hasElse)
        {
            otherwise = Body(["endfor"]);
            _tokens.Take();
            EndTag();
        }

        return new For(target, items, condition, isRecursive, body, otherwise, line);
    }

    private Statement ParseSet(int line)
    {
        Target target = Assigned(isLoop: false);
        string? attribute = target.Name is not null && _tokens.TakeOperator(".") ? _tokens.Expect(TokenKind.Name, "an attribute's name").Text : null;
        if (_tokens.TakeOperator("="))
        {
            Expression value = _expressions.Tuple();
            EndTag();
            return new Set(target, attribute, value, line);
        }

        if (target.Name is null)
        {
            throw _tokens.Unexpected("'='");
        }

        var filters = new List<(string, ArgumentList)>();
        while (_tokens.TakeOperator("|"))
        {
            filters.Add(_expressions.FilterCall());
        }

        return new Captured(target, attribute, filters, EndedBody("endset"), line);
    }

    private Macro ParseMacro(int line)
    {
        string name = _tokens.Expect(TokenKind.Name, "the macro's name").Text;
        return new Macro(ParseMacroBody(name, _expressions.Parameters(), "endmacro"), line);
    }

    private CallBlock ParseCall(int line)
    {
        List<(string, Expression?)> parameters = _tokens.Current.IsOperator("(") ? _expressions.Parameters() : [];
        return _expressions.Single() is Call call
            ? new CallBlock(call, ParseMacroBody("caller", parameters, "endcall"), line)
            : throw _tokens.Error("a call block needs a call, such as {% call name() %}");
    }

    private MacroBody ParseMacroBody(string name, List<(string Name, Expression? Default)> parameters, string end)
    {
        if (parameters.DistinctBy(parameter => parameter.Name).Count() != parameters.Count)
        {
            throw _tokens.Error($"'{name}' has two parameters of one name");
        }

        // A loop around it is none of the body's; names used in a body inside count for both.
        int loops = _loops;
        HashSet<string>? outer = _expressions.Referenced;
        _loops = 0;
        _expressions.Referenced = new HashSet<string>(StringComparer.Ordinal);
        var macro = new MacroBody(name, parameters, EndedBody(end), _expressions.Referenced);
        outer?.UnionWith(_expressions.Referenced);
        _expressions.Referenced = outer;
        _loops = loops;
        return macro;
    }

    private Captured ParseFilter(int line)
    {
        var filters = new List<(string, ArgumentList)> { _expressions.FilterCall() };
        while (_tokens.TakeOperator("|"))
        {
            filters.Add(_expressions.FilterCall());
        }

        return new Captured(null, null, filters, EndedBody("endfilter"), line);
    }

    private Scope ParseWith(int line)
    {
        var variables = new List<(string, Expression)>();
        while (_tokens.Current.Kind == TokenKind.Name)
        {
            string name = _tokens.Take().Text;
            _tokens.ExpectOperator("=");
            variables.Add((name, _expressions.Single()));
            _tokens.TakeOperator(",");
        }

        return new Scope(variables, EndedBody("endwith"), line);
    }

    // Marks what the model wrote, for training; means nothing when rendering.
    private Scope ParseGeneration(int line) => new([], EndedBody("endgeneration"), line);

    private List<Statement> EndedBody(string end)
    {
        EndTag();
        List<Statement> body = Body([end]);
        _tokens.Take();
        EndTag();
        return body;
    }

    /// <summary>A name, or several with commas, in parentheses or not.</summary>
    private Target Assigned(bool isLoop)
    {
        Target first = AssignedPart(isLoop);
        if (!_tokens.Current.IsOperator(","))
        {
            return first;
        }

        var parts = new List<Target> { first };
        while (_tokens.TakeOperator(",") && (_tokens.Current.Kind == TokenKind.Name || _tokens.Current.IsOperator("(")) && !_tokens.Current.IsName("in"))
        {
            parts.Add(AssignedPart(isLoop));
        }

        return new Target(null, parts);
    }

    private Target AssignedPart(bool isLoop)
    {
        if (_tokens.TakeOperator("("))
        {
            if (++_nesting > MaxNesting)
            {
                throw _tokens.Error($"names are nested more than {MaxNesting} deep");
            }

            Target inner = Assigned(isLoop);
            _tokens.ExpectOperator(")");
            _nesting--;
            return inner;
        }

        TemplateToken name = _tokens.Expect(TokenKind.Name, "a name");
        return isLoop && name.Text == "loop"
            ? throw new TemplateSyntaxException("'loop' is the loop's own variable", name.Line, name.Column)
            : new Target(name.Text, null);
    }

    private void EndTag() => _tokens.Expect(TokenKind.BlockEnd, "'%}'");
}

/// <summary>A place in a list of tokens.</summary>
internal sealed class TokenReader(List<TemplateToken> tokens)
{
    private int _at;

    public TemplateToken Current => tokens[_at];

    public TemplateToken Next => tokens[Math.Min(_at + 1, tokens.Count - 1)];

    public TemplateToken Take() => Current.Kind == TokenKind.End ? Current : tokens[_at++];

    public TemplateToken Expect(TokenKind kind, string what) => Current.Kind == kind ? Take() : throw Unexpected(what);

    public void ExpectOperator(string text)
    {
        if (!TakeOperator(text))
        {
            throw Unexpected($"'{text}'");
        }
    }

    public void ExpectName(string text)
    {
        if (!TakeName(text))
        {
            throw Unexpected($"'{text}'");
        }
    }

    public bool TakeOperator(string text)
    {
        bool found = Current.IsOperator(text);
        _at += found ? 1 : 0;
        return found;
    }

    public bool TakeName(string text)
    {
        bool found = Current.IsName(text);
        _at += found ? 1 : 0;
        return found;
    }

    public TemplateSyntaxException Unexpected(string wanted) => Error($"{Current.Describe()} is not expected here; {wanted} is");

    public TemplateSyntaxException Error(string reason) => new(reason, Current.Line, Current.Column);
}
