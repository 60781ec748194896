using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.JobTypes.Agents.OpenApi;

/// <summary>An operation of an API as a tool.</summary>
/// <param name="operation">The operation.</param>
/// <param name="server">The server, to which all calls go.</param>
/// <param name="source">How the job's input describes the API.</param>
/// <param name="host">The ways to other machines.</param>
internal sealed class OpenApiTool(OpenApiOperation operation, Uri server, ToolInput source, ToolHost host) : ITool
{
    private readonly string _root = server.GetLeftPart(UriPartial.Path).TrimEnd('/');

    public ToolDescription Description { get; } = new(
        NameOf(source.Name, operation.Name), operation.Description, operation.Arguments, operation.Effect, $"{operation.Method} {server.GetLeftPart(UriPartial.Path).TrimEnd('/')}{operation.Path}")
    {
        IsDestructive = operation.Method == "DELETE",
    };

    public async Task<ToolResult> CallAsync(JsonElement arguments, StepContext context, CancellationToken cancellationToken)
    {
        string? secret = source.Auth is { } auth ? ToolSecrets.Of(host, auth.Secret, server, context.Project) : null;
        HttpRequestMessage request;
        try
        {
            request = Request(arguments, context, secret);
        }
        catch (FormatException exception)
        {
            return ToolResult.Error($"The call was not made: {exception.Message}");
        }

        using (request)
        {
            ToolResult result = await SendAsync(request, cancellationToken).ConfigureAwait(false);
            return result with { Content = ToolSecrets.Redact(result.Content, secret) };
        }
    }

    /// <summary>The name of an operation or tool, after the prefix of its source, in the letters that names of tools may have.</summary>
    internal static string NameOf(string? prefix, string name)
    {
        string plain = string.Concat((prefix is null ? name : $"{prefix}_{name}").Select(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' ? c : '_'));
        return plain.Length <= 64 ? plain : plain[..64];
    }

    private HttpRequestMessage Request(JsonElement arguments, StepContext context, string? secret)
    {
        var path = new StringBuilder(operation.Path);
        var query = new List<string>();
        var request = new HttpRequestMessage { Method = new HttpMethod(operation.Method) };
        foreach (OpenApiParameter parameter in operation.Parameters)
        {
            if (!arguments.TryGetProperty(parameter.Argument, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            {
                _ = parameter.Place == "path" ? throw new FormatException($"'{parameter.Argument}' is missing.") : true;
                continue;
            }

            switch (parameter.Place)
            {
                case "path":
                    path.Replace($"{{{parameter.Name}}}", Segment(parameter.Argument, value));
                    break;
                case "query":
                    query.AddRange((value.ValueKind == JsonValueKind.Array && parameter.IsExploded ? value.EnumerateArray().Select(Plain) : [Plain(value)])
                        .Select(text => $"{Uri.EscapeDataString(parameter.Name)}={Uri.EscapeDataString(text)}"));
                    break;
                default:
                    SetHeader(request, parameter.Name, Plain(value));
                    break;
            }
        }

        request.RequestUri = Uri.TryCreate($"{_root}{path}{(query.Count == 0 ? "" : $"?{string.Join('&', query)}")}", UriKind.Absolute, out Uri? address)
            ? address
            : throw new FormatException("Its path is none.");
        if (request.RequestUri.GetLeftPart(UriPartial.Authority) != server.GetLeftPart(UriPartial.Authority))
        {
            throw new FormatException("Its path leads to another server."); // as "@elsewhere/" would
        }

        request.Headers.TryAddWithoutValidation("User-Agent", GuardedClient.UserAgent);
        request.Headers.TryAddWithoutValidation("Accept", "application/json, text/*;q=0.9, */*;q=0.1");
        if (operation.Body is { } body && arguments.TryGetProperty(body, out JsonElement content))
        {
            request.Content = new StringContent(content.GetRawText(), Encoding.UTF8, "application/json");
        }

        if (operation.Effect == EffectClass.Idempotent)
        {
            SetHeader(request, source.IdempotencyHeader, context.Key);
        }

        if (secret is not null)
        {
            SetHeader(request, source.Auth!.Header, source.Auth.Scheme.Length == 0 ? secret : $"{source.Auth.Scheme} {secret}");
        }

        return request;
    }

    private async Task<ToolResult> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMilliseconds(host.Options.CallTimeoutMs), host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        HttpResponseMessage response;
        try
        {
            response = await host.Http.SendAsync(request, either.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or FetchException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            string reason = exception is OperationCanceledException ? $"{server.Host} took longer than {host.Options.CallTimeoutMs} ms." : Reason(exception);
            return operation.Effect != EffectClass.Unsafe || WasNotSent(exception) ? ToolResult.Error(reason) : throw new ToolOutcomeUnknownException(
                $"{operation.Method} {request.RequestUri!.AbsolutePath} was sent and not answered: {reason} Nobody knows whether it took place.", exception);
        }

        using (response)
        {
            string body;
            try
            {
                body = await ReadAsync(response, either.Token).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or InvalidDataException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                body = "(the rest of the answer did not come)";
            }

            int status = (int)response.StatusCode;
            return response.IsSuccessStatusCode ? new ToolResult(body.Length == 0 ? $"(status {status}, no content)" : body)
                : ToolResult.Error($"Status {status} {response.ReasonPhrase}{(response.Headers.Location is { } location ? $", which leads to {location}" : "")}\n{body}".TrimEnd());
        }
    }

    private async Task<string> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        MediaTypeHeaderValue? type = response.Content.Headers.ContentType;
        string media = type?.MediaType ?? "";
        Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        byte[] buffer = new byte[host.Options.MaxAnswerBytes];
        int length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        bool isText = length == 0 || media.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || media.EndsWith("json", StringComparison.OrdinalIgnoreCase)
            || media.EndsWith("xml", StringComparison.OrdinalIgnoreCase) || media is "" or "application/x-www-form-urlencoded" or "application/yaml";
        return isText ? TextOf(buffer.AsSpan(0, length), type?.CharSet) : string.Create(CultureInfo.InvariantCulture, $"({length} bytes of {media})");
    }

    private static string TextOf(ReadOnlySpan<byte> bytes, string? charset) =>
        (charset?.Trim('"').ToUpperInvariant() is "ISO-8859-1" or "LATIN1" ? Encoding.Latin1 : Encoding.UTF8).GetString(bytes);

    // A connection that was never there has carried nothing.
    private static bool WasNotSent(Exception exception) => Refusal(exception) is not null
        || exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError };

    private string Reason(Exception exception) => Refusal(exception)?.Message ?? $"{server.Host} cannot be reached, or broke off.";

    private static FetchException? Refusal(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (exception is FetchException refusal)
            {
                return refusal;
            }
        }

        return null;
    }

    // A segment that is a dot or two would lead to another path.
    private static string Segment(string argument, JsonElement value)
    {
        string text = Plain(value);
        return text is "" or "." or ".." ? throw new FormatException($"'{argument}' must not be empty, '.' or '..'.") : Uri.EscapeDataString(text);
    }

    private static string Plain(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Array => string.Join(',', value.EnumerateArray().Select(static item => item.ValueKind == JsonValueKind.String ? item.GetString() : item.GetRawText())),
        _ => value.GetRawText(),
    };

    private static void SetHeader(HttpRequestMessage request, string name, string value)
    {
        if (value.Any(static c => c is < ' ' or > '~') || !request.Headers.TryAddWithoutValidation(name, value))
        {
            throw new FormatException($"'{name}' is no header, or its value has characters that a header cannot have.");
        }
    }
}
