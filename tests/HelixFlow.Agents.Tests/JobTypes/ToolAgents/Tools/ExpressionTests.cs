using System.Globalization;
using System.Text;
using HelixFlow.Agents.JobTypes.Agents.Tools;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents.Tools;

public sealed class ExpressionTests
{
    [Theory]
    [InlineData("1 + 2 * 3", 7)]
    [InlineData("(1 + 2) * 3", 9)]
    [InlineData("2 ^ 3 ^ 2", 512)]
    [InlineData("-2 ^ 2", -4)]
    [InlineData("2 ^ -1", 0.5)]
    [InlineData("--2", 2)]
    [InlineData("10 % 4", 2)]
    [InlineData("1.5e3 + .5", 1500.5)]
    [InlineData("1_000 * 2", 2000)]
    [InlineData("sqrt(16) + abs(-3)", 7)]
    [InlineData("round(2.5) + round(1.005, 1)", 4)]
    [InlineData("min(3, 1, 2) + max(3, 1, 2) + sum(1, 2) + mean(1, 3)", 9)]
    [InlineData("LOG(8, 2) + ln(e) + log10(100)", 6)]
    [InlineData("2*pi", 2 * Math.PI)]
    public void Arithmetic_has_the_usual_rules(string text, double expected) => Assert.Equal(expected, Expression.Evaluate(text), 12);

    [Theory]
    [InlineData("")]
    [InlineData("1 +")]
    [InlineData("(1")]
    [InlineData("1)")]
    [InlineData("1 2")]
    [InlineData("1..2")]
    [InlineData("system(1)")]
    [InlineData("x")]
    [InlineData("sqrt(1, 2)")]
    [InlineData("1/0")]
    [InlineData("sqrt(-1)")]
    [InlineData("10^400")]
    [InlineData("sign(0/0)")]
    public void What_is_no_arithmetic_is_refused(string text) => Assert.Throws<FormatException>(() => Expression.Evaluate(text));

    [Fact]
    public void Depth_and_length_are_bounded()
    {
        Assert.Throws<FormatException>(static () => Expression.Evaluate(new string('(', 1000) + "1" + new string(')', 999)));
        Assert.Throws<FormatException>(static () => Expression.Evaluate(string.Concat(Enumerable.Repeat("2^", 900)) + "1"));
        Assert.Throws<FormatException>(static () => Expression.Evaluate(new string('1', 3000)));
        Assert.Equal(1, Expression.Evaluate(new string('-', 1000) + "1")); // signs take no depth
    }

    [Fact]
    public void Whatever_the_text_there_is_a_number_or_a_refusal()
    {
        var random = new Random(3);
        string[] pieces = ["1", "2.5", "(", ")", "+", "-", "*", "/", "%", "^", ",", "sqrt", "min(", "pi", " ", "e", "1e", "\u0661", "_", ".", "\ud83d", "="];
        for (int round = 0; round < 20_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(0, 14)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                Assert.True(double.IsFinite(Expression.Evaluate(text)));
            }
            catch (FormatException)
            {
                // As it should be.
            }
        }
    }

    [Fact]
    public void Random_expressions_have_the_value_of_their_tree()
    {
        var random = new Random(17);
        for (int round = 0; round < 2000; round++)
        {
            var text = new StringBuilder();
            double expected = Tree(random, text, 5);
            if (double.IsFinite(expected))
            {
                Assert.Equal(expected, Expression.Evaluate(text.ToString()));
            }
        }
    }

    // Writes an expression with all its parentheses, and computes it beside that.
    private static double Tree(Random random, StringBuilder text, int depth)
    {
        if (depth == 0 || random.Next(4) == 0)
        {
            double number = random.Next(0, 1000) / 8.0;
            text.Append(number.ToString("R", CultureInfo.InvariantCulture));
            return number;
        }

        text.Append('(');
        double left = Tree(random, text, depth - 1);
        char sign = "+-*/"[random.Next(4)];
        text.Append(' ').Append(sign).Append(' ');
        double right = Tree(random, text, depth - 1);
        text.Append(')');
        return sign switch
        {
            '+' => left + right,
            '-' => left - right,
            '*' => left * right,
            _ => left / right,
        };
    }
}
