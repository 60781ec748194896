using System.Text.Json.Nodes;

namespace HelixFlow.Gateway.Tests.Sockets;

/// <summary>Damages JSON texts: sometimes the text, sometimes what it says.</summary>
internal static class Mutation
{
    private static readonly string[] Values =
        ["null", "true", "0", "-1", "1.5", "1e400", "9223372036854775808", "\"\"", "\"x\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "[]", "[[]]", "[null]", "{}", "{\"type\":5}", "\"realtime\"", "\"message\""];

    public static string Of(string json, Random random)
    {
        switch (random.Next(4))
        {
            case 0:
                int at = random.Next(json.Length);
                return json[..at] + (char)random.Next(32, 127) + json[Math.Min(json.Length, at + random.Next(3))..];
            case 1:
                return json[..random.Next(json.Length)];
            default:
                JsonNode root = JsonNode.Parse(json)!;
                for (int change = random.Next(1, 3); change > 0; change--)
                {
                    Change(root, random);
                }

                return root.ToJsonString();
        }
    }

    private static void Change(JsonNode root, Random random)
    {
        var places = new List<(JsonObject Owner, string Name)>();
        Collect(root, places);
        if (places.Count == 0)
        {
            return;
        }

        (JsonObject owner, string name) = places[random.Next(places.Count)];
        switch (random.Next(4))
        {
            case 0:
                owner.Remove(name);
                break;
            case 1:
                owner["extra" + random.Next(3)] = JsonNode.Parse(Values[random.Next(Values.Length)]);
                break;
            default:
                owner[name] = JsonNode.Parse(Values[random.Next(Values.Length)]);
                break;
        }
    }

    private static void Collect(JsonNode? node, List<(JsonObject Owner, string Name)> places)
    {
        switch (node)
        {
            case JsonObject owner:
                foreach ((string name, JsonNode? value) in owner)
                {
                    places.Add((owner, name));
                    Collect(value, places);
                }

                break;
            case JsonArray array:
                foreach (JsonNode? item in array)
                {
                    Collect(item, places);
                }

                break;
        }
    }
}
