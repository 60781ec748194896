namespace HelixFlow.Discovery.Tests;

public sealed class StaticDiscoveryTests
{
    [Fact]
    public async Task The_list_comes_once_and_the_watch_lasts_until_it_is_cancelled()
    {
        await using var watch = new Watch(new StaticDiscovery([new Uri("http://b:2"), new Uri("https://a")]));

        Assert.Equal("a https://a, b:2 http://b:2", await watch.NextAsync());
        watch.GoOn();
    }
}
