using Spectre.Console;

namespace HelixFlow.Cli.Commands;

/// <summary>A table of figures: drawn with lines on a terminal, as plain columns elsewhere. The first column is text, the others numbers.</summary>
internal sealed class ReportTable(string title, params string[] headings)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Write(TextWriter output)
    {
        if (ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected)
        {
            Draw();
            return;
        }

        string[][] all = [headings, .. _rows];
        int[] widths = [.. Enumerable.Range(0, headings.Length).Select(column => all.Max(row => row[column].Length))];
        output.WriteLine(title);
        foreach (string[] row in all)
        {
            output.WriteLine(string.Join("  ", row.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]))).TrimEnd());
        }

        output.WriteLine();
    }

    private void Draw()
    {
        var table = new Table { Title = new TableTitle(Markup.Escape(title)) };
        for (int column = 0; column < headings.Length; column++)
        {
            var heading = new TableColumn(Markup.Escape(headings[column])).NoWrap();
            table.AddColumn(column == 0 ? heading : heading.RightAligned());
        }

        foreach (string[] row in _rows)
        {
            table.AddRow([.. row.Select(Markup.Escape)]);
        }

        AnsiConsole.Write(table);
    }
}
