using HelixFlow.Simulation.Traces;

namespace HelixFlow.Simulation.Tests;

public sealed class TraceFileTests
{
    private const string Line = "1.5,llama,10,20,team,0";

    [Fact]
    public void What_was_written_reads_the_same()
    {
        IReadOnlyList<TraceRequest> trace = TraceGenerator.Generate(new TraceOptions { Kind = TraceKind.Bursts, Models = 50, Requests = 2000 });

        Assert.Equal(trace, Read(Written(trace)));
    }

    [Fact]
    public void Names_may_hold_commas_quotes_and_spaces()
    {
        TraceRequest[] trace = [new(new TimeSpan(1), "a,\"b\"", 0, 0, " p ", -3), new(TimeSpan.FromDays(300), "\"", int.MaxValue, 1, "", 7)];

        Assert.Equal(trace, Read(Written(trace)));
    }

    [Fact]
    public void Lines_may_be_out_of_order_empty_or_end_as_on_windows()
    {
        IReadOnlyList<TraceRequest> trace = Read($"\uFEFF{TraceFile.Header}\r\n2,b,1,1,p,0\r\n\r\n1,a,1,1,p,0\r\n2,c,1,1,p,0\r\n");

        Assert.Equal(["a", "b", "c"], trace.Select(static request => request.Model));
    }

    [Theory]
    [InlineData("", "line 1: the first line has to be")]
    [InlineData("time,model\n", "line 1: the first line has to be")]
    [InlineData("1,m,1,1,p", "line 2: 5 fields instead of 6")]
    [InlineData("1,m,1,1,p,0,0", "line 2: 7 fields instead of 6")]
    [InlineData("-1,m,1,1,p,0", "line 2: time_s is '-1'")]
    [InlineData("NaN,m,1,1,p,0", "line 2: time_s is 'NaN'")]
    [InlineData("1700000000000,m,1,1,p,0", "line 2: time_s is '1700000000000'")]
    [InlineData("1,,1,1,p,0", "line 2: model is empty")]
    [InlineData("1,m,-1,1,p,0", "line 2: prompt_tokens is '-1'")]
    [InlineData("1,m,1,1.5,p,0", "line 2: output_tokens is '1.5'")]
    [InlineData("1,m,1,1,p,high", "line 2: priority is 'high'")]
    [InlineData("1,\"m,1,1,p,0", "line 2: a quote is not closed")]
    [InlineData("1,\"m\"x,1,1,p,0", "line 2: 'x' stands behind a closing quote")]
    public void A_wrong_line_is_named(string text, string problem)
    {
        string file = problem.StartsWith("line 1", StringComparison.Ordinal) ? text : $"{TraceFile.Header}\n{text}\n";

        Assert.StartsWith(problem, Assert.Throws<FormatException>(() => Read(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_a_file_holds_it_is_read_or_refused_and_what_is_read_can_be_written()
    {
        const string letters = "0123456789.,,,\"\"-+eE \tmp\n\r∞";
        var random = new Random(7);
        int read = 0;
        for (int round = 0; round < 20_000; round++)
        {
            char[] line = Line.ToCharArray();
            for (int change = random.Next(4); change > 0; change--)
            {
                line[random.Next(line.Length)] = letters[random.Next(letters.Length)];
            }

            try
            {
                IReadOnlyList<TraceRequest> trace = Read($"{TraceFile.Header}\n{new string(line)}\n{Line}\n");
                Assert.Equal(trace, Read(Written(trace)));
                read++;
            }
            catch (FormatException problem)
            {
                Assert.Matches("^line [23456]: ", problem.Message);
            }
        }

        Assert.InRange(read, 4_000, 19_000); // both outcomes were seen
    }

    private static IReadOnlyList<TraceRequest> Read(string text) => TraceFile.Read(new StringReader(text));

    private static string Written(IEnumerable<TraceRequest> trace)
    {
        var writer = new StringWriter();
        TraceFile.Write(writer, trace);
        return writer.ToString();
    }
}
