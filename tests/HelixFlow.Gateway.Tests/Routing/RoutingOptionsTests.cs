using HelixFlow.Gateway.Routing;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class RoutingOptionsTests
{
    public static TheoryData<string, RoutingOptions> Wrong => new()
    {
        { "PrefixWeight", new RoutingOptions { PrefixWeight = -1 } },
        { "QueueWeight", new RoutingOptions { QueueWeight = double.NaN } },
        { "PrefixWeight + QueueWeight + KvWeight", new RoutingOptions { PrefixWeight = 0, QueueWeight = 0, KvWeight = 0 } },
        { "PrefixFloorBlocks", new RoutingOptions { PrefixFloorBlocks = 0 } },
        { "TieMargin", new RoutingOptions { TieMargin = 1.1 } },
        { "QueuePerNode", new RoutingOptions { QueuePerNode = -1 } },
        { "SlowStart", new RoutingOptions { SlowStart = TimeSpan.FromSeconds(-1) } },
        { "PrefixCapacity", new RoutingOptions { PrefixCapacity = 0 } },
        { "FailureRatio", new RoutingOptions { Circuit = new CircuitOptions { FailureRatio = 0 } } },
        { "ConsecutiveFailures", new RoutingOptions { Circuit = new CircuitOptions { ConsecutiveFailures = 0 } } },
        { "LongestOpen", new RoutingOptions { Circuit = new CircuitOptions { LongestOpen = TimeSpan.FromMilliseconds(1) } } },
        { "MaxLength", new RoutingOptions { Queue = new FairQueueOptions { MaxLength = 0 } } },
        { "Weights:acme", new RoutingOptions { Queue = new FairQueueOptions { Weights = { ["acme"] = 0 } } } },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_value_out_of_range_is_named(string name, RoutingOptions options) =>
        Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(options.Validate).ParamName);

    [Fact]
    public void The_defaults_are_in_range() => new RoutingOptions().Validate();
}
