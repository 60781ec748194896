using System.Globalization;
using System.Security;
using System.Text;

namespace HelixFlow.Agents.JobTypes.Tables;

/// <summary>Charts of a profile, each a complete SVG 1.1 document without scripts, styles or references.</summary>
internal static class SvgCharts
{
    private const int MostHistograms = 8;
    private const int MostBars = 4;
    private const double Width = 640, Height = 360, Left = 70, Right = 20, Top = 40, Bottom = 60;

    public static IReadOnlyList<Chart> Of(TableProfile profile)
    {
        var charts = new List<Chart>();
        foreach (ColumnProfile column in profile.Columns.Where(static column => column.Numbers is not null).Take(MostHistograms))
        {
            IReadOnlyList<Bin> bins = column.Numbers!.Histogram;
            charts.Add(Bars($"Distribution of {column.Name}", "histogram", [.. bins.Select(static bin => (Short(bin.From), bin.Count))], 0.02));
        }

        foreach (ColumnProfile column in profile.Columns.Where(static column => column.Frequent is { Count: > 0 } frequent && frequent[0].Count > 1).Take(MostBars))
        {
            charts.Add(Bars($"Most frequent values of {column.Name}", "bar", [.. column.Frequent!.Select(static value => (Cut(value.Value), value.Count))], 0.2));
        }

        charts.AddRange(profile.Clouds.Select(Cloud));
        return charts;
    }

    private static Chart Bars(string title, string kind, List<(string Label, int Count)> bars, double gap)
    {
        StringBuilder svg = Begin(title);
        int most = Math.Max(1, bars.Max(static bar => bar.Count));
        double each = (Width - Left - Right) / bars.Count;
        for (int i = 0; i < bars.Count; i++)
        {
            double height = (Height - Top - Bottom) * bars[i].Count / most;
            Add(svg, $"<rect x=\"{Left + (each * (i + (gap / 2))):0.##}\" y=\"{Height - Bottom - height:0.##}\" width=\"{each * (1 - gap):0.##}\" height=\"{height:0.##}\" fill=\"#4878a8\"/>");
            Text(svg, Left + (each * (i + 0.5)), Height - Bottom + 16, "middle", bars.Count <= 12 || i % 2 == 0 ? bars[i].Label : "");
        }

        Text(svg, Left - 8, Top + 4, "end", most.ToString(CultureInfo.InvariantCulture));
        Text(svg, Left - 8, Height - Bottom, "end", "0");
        return End(svg, title, kind);
    }

    private static Chart Cloud(PointCloud cloud)
    {
        string title = $"{cloud.Y} by {cloud.X}";
        StringBuilder svg = Begin(title);
        double minX = cloud.Points.Min(static point => point[0]), maxX = cloud.Points.Max(static point => point[0]);
        double minY = cloud.Points.Min(static point => point[1]), maxY = cloud.Points.Max(static point => point[1]);
        foreach (double[] point in cloud.Points)
        {
            double x = Left + ((Width - Left - Right) * Share(point[0], minX, maxX));
            double y = Height - Bottom - ((Height - Top - Bottom) * Share(point[1], minY, maxY));
            Add(svg, $"<circle cx=\"{x:0.##}\" cy=\"{y:0.##}\" r=\"3\" fill=\"#4878a8\" fill-opacity=\"0.6\"/>");
        }

        Text(svg, Left, Height - Bottom + 16, "start", Short(minX));
        Text(svg, Width - Right, Height - Bottom + 16, "end", Short(maxX));
        Text(svg, Left - 8, Height - Bottom, "end", Short(minY));
        Text(svg, Left - 8, Top + 4, "end", Short(maxY));
        Text(svg, Width / 2, Height - 16, "middle", Cut(cloud.X));
        return End(svg, title, "scatter");
    }

    private static double Share(double value, double min, double max) => max > min ? (value - min) / (max - min) : 0.5;

    private static StringBuilder Begin(string title)
    {
        var svg = new StringBuilder();
        Add(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height}\" viewBox=\"0 0 {Width} {Height}\" font-family=\"sans-serif\" font-size=\"11\" role=\"img\">");
        svg.Append("<title>").Append(Escaped(title)).Append("</title>");
        Add(svg, $"<rect width=\"{Width}\" height=\"{Height}\" fill=\"#ffffff\"/>");
        Add(svg, $"<path d=\"M{Left} {Top}V{Height - Bottom}H{Width - Right}\" fill=\"none\" stroke=\"#404040\"/>");
        Text(svg, Width / 2, 22, "middle", title.Length > 80 ? title[..80] + "…" : title);
        return svg;
    }

    private static Chart End(StringBuilder svg, string title, string kind) => new(title, kind, svg.Append("</svg>").ToString());

    private static void Text(StringBuilder svg, double x, double y, string anchor, string text)
    {
        Add(svg, $"<text x=\"{x:0.##}\" y=\"{y:0.##}\" text-anchor=\"{anchor}\" fill=\"#202020\">");
        svg.Append(Escaped(text)).Append("</text>");
    }

    private static void Add(StringBuilder svg, FormattableString text) => svg.Append(text.ToString(CultureInfo.InvariantCulture));

    private static string Short(double number) => number.ToString("G4", CultureInfo.InvariantCulture);

    private static string Cut(string text) => text.Length > 12 ? text[..11] + "…" : text;

    // XML has no control characters, escaped or not, and no halves of surrogate pairs.
    private static string Escaped(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            clean.Append(Rune.IsControl(rune) || rune.Value is 0xFFFE or 0xFFFF ? "\uFFFD" : rune.ToString());
        }

        return SecurityElement.Escape(clean.ToString());
    }
}
