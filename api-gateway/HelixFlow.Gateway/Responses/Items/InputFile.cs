using System.Text;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Requests;

namespace HelixFlow.Gateway.Responses.Items;

/// <summary>A file inside a message: its text becomes part of the prompt when it is text.</summary>
internal static class InputFile
{
    private const string Base64Mark = ";base64,";

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>What the model reads of the file.</summary>
    /// <exception cref="OpenAiException">It is not in the request, or not text.</exception>
    public static string Read(RequestFields part, string param)
    {
        foreach (string elsewhere in (string[])["file_url", "file_id"])
        {
            if (part.TryGet(elsewhere, out _))
            {
                throw part.Unsupported(elsewhere, "is not supported by this server. Send the file's content in 'file_data'.");
            }
        }

        string name = part.String("filename") ?? "file";
        string data = part.RequiredString("file_data");
        int mark = data.StartsWith("data:", StringComparison.OrdinalIgnoreCase) ? data.IndexOf(Base64Mark, StringComparison.OrdinalIgnoreCase) : -1;
        try
        {
            string text = Strict.GetString(Convert.FromBase64String(mark < 0 ? data : data[(mark + Base64Mark.Length)..]));
            return text.Contains('\0', StringComparison.Ordinal) ? throw NoText(param) : $"{name}:\n\n{text}";
        }
        catch (FormatException exception)
        {
            throw new OpenAiException(OpenAiError.Invalid($"Invalid '{param}.file_data': expected base64-encoded data.", param + ".file_data", "invalid_value"), exception);
        }
        catch (DecoderFallbackException)
        {
            throw NoText(param);
        }
    }

    private static OpenAiException NoText(string param) =>
        RequestFields.Invalid(param + ".file_data", "Unsupported content part 'input_file': the file is no UTF-8 text, and this model reads text only.", "unsupported_value");
}
