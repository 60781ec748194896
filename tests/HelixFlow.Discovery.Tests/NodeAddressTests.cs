namespace HelixFlow.Discovery.Tests;

public sealed class NodeAddressTests
{
    [Fact]
    public void Nodes_are_equal_when_all_that_is_known_of_them_is()
    {
        NodeAddress node = Node("a", "http://a:1", ("zone", "x"));

        Assert.Equal(Node("a", "http://a:1", ("zone", "x")), node);
        Assert.Equal(Node("a", "http://a:1", ("zone", "x")).GetHashCode(), node.GetHashCode());
        Assert.NotEqual(Node("b", "http://a:1", ("zone", "x")), node);
        Assert.NotEqual(Node("a", "http://a:2", ("zone", "x")), node);
        Assert.NotEqual(Node("a", "http://a:1", ("zone", "y")), node);
        Assert.NotEqual(Node("a", "http://a:1", ("area", "x")), node);
        Assert.NotEqual(Node("a", "http://a:1"), node);
    }

    private static NodeAddress Node(string id, string address, params (string Key, string Value)[] metadata) =>
        new(id, new Uri(address), metadata.ToDictionary(pair => pair.Key, pair => pair.Value));
}
