using System.Text.Json.Nodes;

namespace HelixFlow.Interop.Tests;

/// <summary>Microsoft's SignalR client follows jobs of a real server.</summary>
[Collection(nameof(SharedServer))]
public sealed class JobHubTests(SharedServer shared)
{
    [Fact]
    public async Task The_javascript_client_sees_every_event_over_each_transport()
    {
        JsonNode seen = await NodeScript.RunAsync("clients/hub.mjs", shared.Server);

        foreach (string transport in (string[])["WebSockets", "ServerSentEvents", "LongPolling"])
        {
            Assert.Equal("""[true,"succeeded",true,true]""", seen["transports"]![transport]!.ToJsonString());
        }

        Assert.True((bool)seen["project"]!);
        Assert.Equal("""["There is no job","Method does not exist","401"]""", seen["refused"]!.ToJsonString());
    }
}
