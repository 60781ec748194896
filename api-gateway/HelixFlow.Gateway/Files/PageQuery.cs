using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Requests;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Files;

/// <summary>Which part of a list a client asks for.</summary>
/// <param name="Limit">Most objects to answer with.</param>
/// <param name="After">The id of the object that the page follows; null for the first page.</param>
/// <param name="Ascending">Whether the oldest come first.</param>
internal sealed record PageQuery(int Limit, string? After, bool Ascending)
{
    /// <exception cref="Errors.OpenAiException">A parameter is out of range.</exception>
    public static PageQuery Read(HttpRequest request, int defaultLimit, int mostLimit)
    {
        int limit = defaultLimit;
        if (Parameter(request, "limit") is { } text && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit < 1 || limit > mostLimit))
        {
            throw RequestFields.Invalid("limit", $"Invalid 'limit': expected an integer between 1 and {mostLimit}, but got '{text}' instead.", "invalid_value");
        }

        bool ascending = Parameter(request, "order") switch
        {
            null or "desc" => false,
            "asc" => true,
            { } other => throw RequestFields.Invalid("order", $"Invalid value: '{other}'. Supported values are: 'asc' and 'desc'.", "invalid_value"),
        };
        return new PageQuery(limit, Parameter(request, "after"), ascending);
    }

    /// <summary>A query parameter; null when it is absent or empty.</summary>
    public static string? Parameter(HttpRequest request, string name) => request.Query[name].ToString() is { Length: > 0 } value ? value : null;
}

/// <summary>A part of a list.</summary>
/// <typeparam name="T">What is listed.</typeparam>
internal sealed record Page<T>(IReadOnlyList<T> Items, bool HasMore)
{
    /// <summary>Of one more row than the page holds.</summary>
    public static Page<T> Of(List<T> rows, int limit) => rows.Count > limit ? new Page<T>(rows[..limit], true) : new Page<T>(rows, false);

    public Task WriteAsync(HttpContext context, Func<T, string> idOf, Action<Utf8JsonWriter, T> write) => JsonResponse.WriteAsync(context, (Page: this, idOf, write), static (json, state) =>
    {
        IReadOnlyList<T> items = state.Page.Items;
        json.WriteStartObject();
        json.WriteString("object"u8, "list"u8);
        json.WriteStartArray("data"u8);
        foreach (T item in items)
        {
            state.write(json, item);
        }

        json.WriteEndArray();
        json.WriteString("first_id"u8, items.Count > 0 ? state.idOf(items[0]) : null);
        json.WriteString("last_id"u8, items.Count > 0 ? state.idOf(items[^1]) : null);
        json.WriteBoolean("has_more"u8, state.Page.HasMore);
        json.WriteEndObject();
    });
}
