using System.Text.Json;
using HelixFlow.Gateway.Authentication;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using HelixFlow.Observability;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Realtime;

/// <summary><c>POST /v1/realtime/client_secrets</c> and its older form <c>/v1/realtime/sessions</c>: keys for clients that must not know the real one.</summary>
internal sealed class ClientSecretEndpoints(ClientSecrets secrets, MeasuredPool pool, GatewayOptions options)
{
    private const int ShortestSeconds = 10;
    private const int LongestSeconds = 7200;
    private const int UsualSeconds = 600;

    // The older form says one thing differently, and has no lifetime of its own.
    private const int OlderSeconds = 60;

    private static readonly Dictionary<string, string> _newerNames = new() { ["max_response_output_tokens"] = "max_output_tokens", ["modalities"] = "output_modalities" };

    public async Task CreateAsync(HttpContext context)
    {
        RealtimeSettings settings;
        long expiresAt;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            var fields = new RequestFields(body.RootElement);
            expiresAt = secrets.Now + ReadLifetime(fields);
            RequestFields session = fields.Object("session") ?? throw fields.Missing("session");
            RealtimeSettings.CheckType(session);
            settings = await ReadAsync(body.RootElement.GetProperty("session"), session, "session", context.RequestAborted);
        }

        string key = await secrets.CreateAsync(new ClientSecret(BearerKey.ProjectOf(context), settings.ToJson()), expiresAt, context.RequestAborted);
        await JsonResponse.WriteAsync(context, (key, expiresAt, settings), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("value"u8, state.key);
            json.WriteNumber("expires_at"u8, state.expiresAt);
            json.WriteStartObject("session"u8);
            json.WriteString("type"u8, "realtime"u8);
            json.WriteString("object"u8, "realtime.session"u8);
            json.WriteString("id"u8, ObjectId.New("sess_"));
            json.WriteNumber("expires_at"u8, 0); // a session begins when its socket opens
            json.WriteString("model"u8, state.settings.Model);
            state.settings.Write(json);
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    /// <summary>The same with the session's fields at the top, and the key inside the session.</summary>
    public async Task CreateOlderAsync(HttpContext context)
    {
        RealtimeSettings settings;
        using (JsonDocument body = await RequestBody.ReadAsync(context, options))
        {
            using JsonDocument renamed = JsonDocument.Parse(JsonText.Of(body.RootElement, Rename));
            settings = await ReadAsync(renamed.RootElement, new RequestFields(renamed.RootElement), "", context.RequestAborted);
        }

        long expiresAt = secrets.Now + OlderSeconds;
        string key = await secrets.CreateAsync(new ClientSecret(BearerKey.ProjectOf(context), settings.ToJson()), expiresAt, context.RequestAborted);
        await JsonResponse.WriteAsync(context, (key, expiresAt, settings), static (json, state) =>
        {
            json.WriteStartObject();
            json.WriteString("id"u8, ObjectId.New("sess_"));
            json.WriteString("object"u8, "realtime.session"u8);
            json.WriteNumber("expires_at"u8, 0);
            json.WriteString("model"u8, state.settings.Model);
            state.settings.Write(json);
            json.WriteStartObject("client_secret"u8);
            json.WriteString("value"u8, state.key);
            json.WriteNumber("expires_at"u8, state.expiresAt);
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    private async Task<RealtimeSettings> ReadAsync(JsonElement session, RequestFields fields, string param, CancellationToken cancellationToken)
    {
        string model = await ModelField.ReadAsync(fields, pool, cancellationToken);
        await ModelField.CheckServedAsync(pool, model, cancellationToken);
        return RealtimeSettings.Of(model).With(session, param, "type", "model");
    }

    private static long ReadLifetime(RequestFields fields)
    {
        if (fields.Object("expires_after") is not { } lifetime)
        {
            return UsualSeconds;
        }

        return lifetime.String("anchor") is { } anchor and not "created_at"
            ? throw lifetime.InvalidValue("anchor", anchor, "'created_at'")
            : lifetime.Integer("seconds", ShortestSeconds, LongestSeconds) ?? UsualSeconds;
    }

    private static void Rename(Utf8JsonWriter json, JsonElement older)
    {
        json.WriteStartObject();
        foreach (JsonProperty field in older.EnumerateObject())
        {
            if (!_newerNames.TryGetValue(field.Name, out string? name))
            {
                name = field.Name;
            }
            else if (older.TryGetProperty(name, out _))
            {
                throw RequestFields.Invalid(field.Name, $"Mutually exclusive parameters: '{field.Name}' and '{name}'.", "mutually_exclusive_parameters");
            }

            json.WritePropertyName(name);
            field.Value.WriteTo(json);
        }

        json.WriteEndObject();
    }
}
