using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Ten thousand requests that are wrong in ways that come from the API's own description: tests/interop/mutations.mjs.</summary>
public sealed class MalformedRequestTests
{
    private const long RoomBytes = 512 << 20;

    [Fact]
    public async Task Wrong_requests_are_refused_as_described_and_leave_nothing_behind()
    {
        await using Server server = await Server.StartAsync();
        await NodeScript.RunAsync("clients/malformed.mjs", server, "500", "7"); // what is loaded and compiled once does not count
        await server.WaitUntilIdleAsync();
        long memory = server.ResidentBytes();
        int handles = server.OpenHandles();

        JsonNode seen = await NodeScript.RunAsync("clients/malformed.mjs", server, "10000", "1");

        await server.WaitUntilIdleAsync();
        Assert.InRange(server.ResidentBytes() - memory, long.MinValue, RoomBytes);
        for (int attempt = 0; attempt < 200 && server.OpenHandles() > handles + 8; attempt++)
        {
            await Task.Delay(25); // the server closes connections a moment after their clients
        }

        Assert.InRange(server.OpenHandles(), 0, handles + 8);
        JsonObject statuses = seen["statuses"]!.AsObject();
        Assert.DoesNotContain(statuses, status => status.Key[0] == '5');
        Assert.True((int)statuses["400"]! > 3000, seen.ToJsonString());
        Assert.True((int)seen["harmless"]! > 500, seen.ToJsonString());
        Assert.DoesNotContain("fail:", server.Output, StringComparison.Ordinal);
        using HttpClient client = server.CreateClient();
        Assert.Contains(Server.Model, await client.GetStringAsync("/v1/models"), StringComparison.Ordinal);
    }
}
