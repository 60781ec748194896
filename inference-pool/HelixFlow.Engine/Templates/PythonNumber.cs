using System.Globalization;

namespace HelixFlow.Engine.Templates;

/// <summary>Python's float(text).</summary>
internal static class PythonNumber
{
    public static bool TryParse(string text, out double number)
    {
        string trimmed = text.Trim();
        string digits = trimmed.TrimStart('+', '-').ToLowerInvariant();
        number = digits switch { "inf" or "infinity" => double.PositiveInfinity, "nan" => double.NaN, _ => 0 };
        if (number != 0)
        {
            number = trimmed.StartsWith('-') ? -number : number;
            return trimmed.Length - digits.Length <= 1;
        }

        const NumberStyles Styles = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        bool underscored = digits.Contains('_') && digits[0] != '_' && digits[^1] != '_' && !digits.Contains("__", StringComparison.Ordinal);
        return double.TryParse(underscored ? trimmed.Replace("_", "", StringComparison.Ordinal) : trimmed, Styles, CultureInfo.InvariantCulture, out number);
    }
}
