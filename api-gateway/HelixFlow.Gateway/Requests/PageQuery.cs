using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Streaming;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Requests;

/// <summary>Which part of a list a client asks for.</summary>
/// <param name="Limit">At most so many.</param>
/// <param name="Descending">Whether the newest come first.</param>
/// <param name="After">The id after which the page begins; null for the list's beginning.</param>
internal readonly record struct PageQuery(int Limit, bool Descending, string? After)
{
    private const int DefaultLimit = 20;
    private const int MostLimit = 100;

    /// <exception cref="OpenAiException">A parameter has an impossible value.</exception>
    public static PageQuery Read(HttpRequest request, bool newestFirst, int defaultLimit = DefaultLimit, int mostLimit = MostLimit)
    {
        int limit = defaultLimit;
        if (Parameter(request, "limit") is { } text
            && !(int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out limit) && limit >= 1 && limit <= mostLimit))
        {
            throw RequestFields.Invalid("limit", string.Create(CultureInfo.InvariantCulture, $"Invalid 'limit': expected an integer from 1 to {mostLimit}, but got '{text}' instead."), "invalid_value");
        }

        bool descending = Parameter(request, "order") switch
        {
            null => newestFirst,
            "asc" => false,
            "desc" => true,
            string order => throw RequestFields.Invalid("order", $"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.", "invalid_value"),
        };
        return new PageQuery(limit, descending, Parameter(request, "after"));
    }

    /// <summary>A query parameter; null when it is absent or empty.</summary>
    public static string? Parameter(HttpRequest request, string name) => request.Query[name].ToString() is { Length: > 0 } value ? value : null;

    /// <summary>The page of a list that is in memory, oldest first.</summary>
    /// <exception cref="OpenAiException">Nothing in the list has the id to begin after.</exception>
    public Page<T> Of<T>(IReadOnlyList<T> items, Func<T, string> idOf)
    {
        List<T> ordered = [.. items];
        if (Descending)
        {
            ordered.Reverse();
        }

        int start = 0;
        if (After is { } after)
        {
            start = ordered.FindIndex(item => idOf(item) == after) + 1;
            if (start == 0)
            {
                throw UnknownAfter(after);
            }
        }

        return new Page<T>(ordered.GetRange(start, Math.Min(Limit, ordered.Count - start)), ordered.Count - start > Limit);
    }

    /// <summary>For a page that begins after what is not in the list.</summary>
    public static OpenAiException UnknownAfter(string after) => RequestFields.Invalid("after", $"Invalid 'after': nothing with the id '{after}' is in this list.", "invalid_value");
}

/// <summary>A part of a list.</summary>
/// <param name="Items">In the order that was asked for.</param>
/// <param name="HasMore">Whether more follow.</param>
internal readonly record struct Page<T>(IReadOnlyList<T> Items, bool HasMore)
{
    /// <summary>Of one more row than the page holds.</summary>
    public static Page<T> Of(List<T> rows, int limit) => rows.Count > limit ? new Page<T>(rows[..limit], true) : new Page<T>(rows, false);

    /// <summary>Writes the page as OpenAI's list object.</summary>
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
        // Clients of a typed language read both as texts: an empty page has empty ones.
        json.WriteString("first_id"u8, items.Count > 0 ? state.idOf(items[0]) : "");
        json.WriteString("last_id"u8, items.Count > 0 ? state.idOf(items[^1]) : "");
        json.WriteBoolean("has_more"u8, state.Page.HasMore);
        json.WriteEndObject();
    });
}
