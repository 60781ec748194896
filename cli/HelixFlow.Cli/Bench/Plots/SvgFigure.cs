using System.Globalization;
using System.Text;
using System.Xml;

namespace HelixFlow.Cli.Bench.Plots;

/// <summary>How a series is drawn.</summary>
internal enum SeriesStyle
{
    /// <summary>A dot for each point.</summary>
    Dots,

    /// <summary>A line through the points.</summary>
    Line,

    /// <summary>A line through the points, with a dot on each.</summary>
    LineWithDots,
}

/// <summary>Points with a name for the legend.</summary>
internal sealed record PlotSeries(string Name, SeriesStyle Style, IReadOnlyList<(double X, double Y)> Points);

/// <summary>One pair of axes with what is drawn between them.</summary>
/// <param name="Title">Above it.</param>
/// <param name="XLabel">Quantity and unit of the horizontal axis.</param>
/// <param name="YLabel">Quantity and unit of the vertical axis.</param>
/// <param name="Series">At most four, told apart by colour.</param>
internal sealed record PlotPanel(string Title, string XLabel, string YLabel, IReadOnlyList<PlotSeries> Series)
{
    public bool LogarithmicX { get; init; }

    public bool LogarithmicY { get; init; }

    /// <summary>A value of y to mark with a dashed line, such as a limit; null for none.</summary>
    public double? YLimit { get; init; }
}

/// <summary>Writes panels as one SVG picture, two in a row.</summary>
/// <remarks>The background is transparent and all colours are of middle lightness, so that it reads on light and dark pages alike.</remarks>
internal static class SvgFigure
{
    private const double PanelWidth = 480;
    private const double PanelHeight = 300;
    private const double Left = 64;
    private const double Right = 20;
    private const double Top = 46;
    private const double Bottom = 46;
    private const double Heading = 44;
    private const string Ink = "#768390";

    private static readonly string[] Colours = ["#2f81f7", "#e3762b", "#2da44e", "#a371f7"];

    public static string Write(string title, IReadOnlyList<PlotPanel> panels)
    {
        int rows = (panels.Count + 1) / 2;
        double width = PanelWidth * Math.Min(2, panels.Count);
        double height = Heading + (rows * PanelHeight);
        var text = new StringBuilder();
        using (var xml = XmlWriter.Create(text, new XmlWriterSettings { OmitXmlDeclaration = true, Indent = true, IndentChars = "", CheckCharacters = true, NewLineChars = "\n" }))
        {
            xml.WriteStartElement("svg", "http://www.w3.org/2000/svg");
            xml.WriteAttributeString("viewBox", $"0 0 {N(width)} {N(height)}");
            xml.WriteAttributeString("font-family", "ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif");
            xml.WriteElementString("title", "http://www.w3.org/2000/svg", Clean(title));
            Text(xml, 20, 28, title, 16, "start", bold: true);
            for (int i = 0; i < panels.Count; i++)
            {
                xml.WriteStartElement("g");
                xml.WriteAttributeString("transform", $"translate({N(i % 2 * PanelWidth)},{N(Heading + (i / 2 * PanelHeight))})");
                Draw(xml, panels[i]);
                xml.WriteEndElement();
            }

            xml.WriteEndElement();
        }

        return text.Append('\n').ToString();
    }

    private static void Draw(XmlWriter xml, PlotPanel panel)
    {
        IEnumerable<double> xs = panel.Series.SelectMany(series => series.Points.Select(point => point.X));
        IEnumerable<double> ys = panel.Series.SelectMany(series => series.Points.Select(point => point.Y)).Concat(panel.YLimit is { } most ? [most] : []);
        Axis x = panel.LogarithmicX ? Axis.Logarithmic(xs) : Axis.FromZero(xs);
        Axis y = panel.LogarithmicY ? Axis.Logarithmic(ys) : Axis.FromZero(ys);
        Text(xml, Left, 18, panel.Title, 13.5, "start", bold: true);
        Grid(xml, panel, x, y);
        if (panel.YLimit is { } limit && double.IsFinite(limit))
        {
            Line(xml, Left, PlaceY(y, limit), PanelWidth - Right, PlaceY(y, limit), dashed: true, opacity: 0.9);
        }

        double legend = PanelWidth - Right;
        for (int i = panel.Series.Count - 1; i >= 0; i--)
        {
            PlotSeries series = panel.Series[i];
            string colour = Colours[i % Colours.Length];
            Series(xml, series, colour, x, y);
            if (panel.Series.Count > 1)
            {
                Text(xml, legend, 34, series.Name, 11.5, "end");
                legend -= (series.Name.Length * 7.4) + 8;
                Circle(xml, legend, 30, 4, colour, 1);
                legend -= 16;
            }
        }
    }

    private static void Grid(XmlWriter xml, PlotPanel panel, Axis x, Axis y)
    {
        foreach (double tick in x.Ticks)
        {
            Line(xml, PlaceX(x, tick), Top, PlaceX(x, tick), PanelHeight - Bottom, dashed: false, opacity: 0.22);
            Text(xml, PlaceX(x, tick), PanelHeight - Bottom + 16, Axis.Label(tick), 11, "middle");
        }

        foreach (double tick in y.Ticks)
        {
            Line(xml, Left, PlaceY(y, tick), PanelWidth - Right, PlaceY(y, tick), dashed: false, opacity: 0.22);
            Text(xml, Left - 7, PlaceY(y, tick) + 4, Axis.Label(tick), 11, "end");
        }

        Text(xml, (Left + PanelWidth - Right) / 2, PanelHeight - 10, panel.XLabel, 11.5, "middle");
        Text(xml, 14, (Top + PanelHeight - Bottom) / 2, panel.YLabel, 11.5, "middle", turned: true);
    }

    private static void Series(XmlWriter xml, PlotSeries series, string colour, Axis x, Axis y)
    {
        (double X, double Y)[] points = [.. series.Points.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y)).Select(point => (PlaceX(x, point.X), PlaceY(y, point.Y)))];
        if (series.Style != SeriesStyle.Dots && points.Length > 0)
        {
            xml.WriteStartElement("path");
            xml.WriteAttributeString("d", "M" + string.Join("L", points.Select(point => $"{N(point.X)} {N(point.Y)}")));
            xml.WriteAttributeString("fill", "none");
            xml.WriteAttributeString("stroke", colour);
            xml.WriteAttributeString("stroke-width", "2");
            xml.WriteAttributeString("stroke-linejoin", "round");
            xml.WriteEndElement();
        }

        if (series.Style != SeriesStyle.Line)
        {
            bool many = points.Length > 200;
            foreach ((double px, double py) in points)
            {
                Circle(xml, px, py, many ? 2 : 3, colour, many ? 0.5 : 0.8);
            }
        }
    }

    private static double PlaceX(Axis axis, double value) => Left + (axis.Place(value) * (PanelWidth - Left - Right));

    private static double PlaceY(Axis axis, double value) => PanelHeight - Bottom - (axis.Place(value) * (PanelHeight - Top - Bottom));

    private static void Circle(XmlWriter xml, double x, double y, double radius, string colour, double opacity)
    {
        xml.WriteStartElement("circle");
        xml.WriteAttributeString("cx", N(x));
        xml.WriteAttributeString("cy", N(y));
        xml.WriteAttributeString("r", N(radius));
        xml.WriteAttributeString("fill", colour);
        xml.WriteAttributeString("fill-opacity", N(opacity));
        xml.WriteEndElement();
    }

    private static void Line(XmlWriter xml, double x1, double y1, double x2, double y2, bool dashed, double opacity)
    {
        xml.WriteStartElement("line");
        xml.WriteAttributeString("x1", N(x1));
        xml.WriteAttributeString("y1", N(y1));
        xml.WriteAttributeString("x2", N(x2));
        xml.WriteAttributeString("y2", N(y2));
        xml.WriteAttributeString("stroke", Ink);
        xml.WriteAttributeString("stroke-opacity", N(opacity));
        if (dashed)
        {
            xml.WriteAttributeString("stroke-dasharray", "6 4");
        }

        xml.WriteEndElement();
    }

    private static void Text(XmlWriter xml, double x, double y, string text, double size, string anchor, bool bold = false, bool turned = false)
    {
        xml.WriteStartElement("text");
        xml.WriteAttributeString("x", N(x));
        xml.WriteAttributeString("y", N(y));
        xml.WriteAttributeString("font-size", N(size));
        xml.WriteAttributeString("fill", Ink);
        xml.WriteAttributeString("text-anchor", anchor);
        if (bold)
        {
            xml.WriteAttributeString("font-weight", "600");
        }

        if (turned)
        {
            xml.WriteAttributeString("transform", $"rotate(-90 {N(x)} {N(y)})");
        }

        xml.WriteString(Clean(text));
        xml.WriteEndElement();
    }

    // A model's name comes from a server, and XML cannot hold every character.
    private static string Clean(string text) => string.Concat(text.Where(XmlConvert.IsXmlChar));

    private static string N(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
