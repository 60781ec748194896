using System.Globalization;
using HelixFlow.Gateway.Errors;
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
    public static PageQuery Read(HttpRequest request, bool newestFirst)
    {
        int limit = DefaultLimit;
        if (request.Query["limit"] is [{ Length: > 0 } text]
            && !(int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out limit) && limit is >= 1 and <= MostLimit))
        {
            throw RequestFields.Invalid("limit", string.Create(CultureInfo.InvariantCulture, $"Invalid 'limit': expected an integer from 1 to {MostLimit}, but got '{text}' instead."), "invalid_value");
        }

        bool descending = request.Query["order"].ToString() switch
        {
            "" => newestFirst,
            "asc" => false,
            "desc" => true,
            string order => throw RequestFields.Invalid("order", $"Invalid value: '{order}'. Supported values are: 'asc' and 'desc'.", "invalid_value"),
        };
        return new PageQuery(limit, descending, request.Query["after"] is [{ Length: > 0 } after] ? after : null);
    }

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
internal readonly record struct Page<T>(IReadOnlyList<T> Items, bool HasMore);
