using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>The library of the Standard Webhooks project verifies what a real server sends.</summary>
public sealed class WebhookTests
{
    [Fact]
    public async Task The_javascript_library_verifies_what_is_sent_and_refuses_what_was_changed()
    {
        await using Server server = await Server.StartAsync(arguments: "--allow-private-webhooks");
        JsonNode seen = await NodeScript.RunAsync("clients/webhooks.mjs", server);

        Assert.Equal("""["job.succeeded"]""", seen["types"]!.ToJsonString());
        Assert.True((bool)seen["job"]!);
        Assert.Equal("[503,204]", seen["statuses"]!.ToJsonString());
        Assert.Equal("[true]", seen["redelivered"]!.ToJsonString());
        Assert.Equal(2, (int)seen["refused"]!);
        Assert.False((bool)seen["shown"]!);
        Assert.DoesNotContain("whsec", server.Output, StringComparison.Ordinal);
    }
}
