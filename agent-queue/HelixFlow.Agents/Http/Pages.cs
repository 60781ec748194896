using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Agents.Http;

/// <summary>How lists are answered, and how clients go through them.</summary>
internal static class Pages
{
    public static JsonObject List(IEnumerable<JsonNode> items) => new() { ["object"] = "list", ["data"] = new JsonArray([.. items]) };

    /// <summary>A page of a list.</summary>
    /// <param name="items">What stands on it.</param>
    /// <param name="next">Where the next one begins; null when there is none.</param>
    public static JsonObject List(IEnumerable<JsonNode> items, long? next)
    {
        JsonObject list = List(items);
        list["next_cursor"] = next is { } place ? CursorOf(place) : null;
        return list;
    }

    /// <summary>A page's end as its cursor.</summary>
    public static string CursorOf(long number)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        return Base64Url.EncodeToString(bytes);
    }

    /// <summary>Where the page begins; null for the first one.</summary>
    public static long? Cursor(HttpContext context)
    {
        string text = context.Request.Query["cursor"].ToString();
        if (text.Length == 0)
        {
            return null;
        }

        return PlaceOf(text) ?? throw AgentProblem.WrongParameter("cursor", "'cursor' must be the 'next_cursor' of the page before.").AsException();
    }

    /// <summary>What <see cref="CursorOf"/> was given; null when the text is no cursor.</summary>
    public static long? PlaceOf(string cursor)
    {
        Span<byte> bytes = stackalloc byte[8];
        return cursor.Length <= 16 && Base64Url.IsValid(cursor) && Base64Url.TryDecodeFromChars(cursor, bytes, out int count) && count == 8
            ? BinaryPrimitives.ReadInt64BigEndian(bytes)
            : null;
    }
}
