using HelixFlow.Discovery.Consul;
using Microsoft.Extensions.Logging.Abstractions;

namespace HelixFlow.Discovery.Tests;

public sealed class DiscoveryOptionsTests
{
    [Fact]
    public void A_static_list_is_its_addresses()
    {
        StaticDiscoveryOptions options = Assert.IsType<StaticDiscoveryOptions>(DiscoveryOptions.Parse("static:http://a:1,https://b, http://[::1]:3"));

        Assert.Equal([new Uri("http://a:1"), new Uri("https://b"), new Uri("http://[::1]:3")], options.Addresses);
    }

    [Theory]
    [InlineData("dns:pool.default.svc:7070", "pool.default.svc", 7070, "http")]
    [InlineData("dns:pool:1?scheme=https", "pool", 1, "https")]
    [InlineData("dns:127.0.0.1:65535", "127.0.0.1", 65535, "http")]
    [InlineData("dns:[::1]:80", "::1", 80, "http")]
    public void A_dns_name_has_a_port(string text, string name, int port, string scheme) =>
        Assert.Equal(new DnsDiscoveryOptions(name, port) { Scheme = scheme }, DiscoveryOptions.Parse(text));

    [Fact]
    public void A_consul_service_is_named_behind_the_agents_address()
    {
        ConsulDiscoveryOptions options = Assert.IsType<ConsulDiscoveryOptions>(
            DiscoveryOptions.Parse("consul:http://127.0.0.1:8500/inference%20pool?dc=east&tag=gpu%2F1&scheme=https"));

        Assert.Equal(new Uri("http://127.0.0.1:8500/"), options.Agent.Address);
        Assert.Equal("inference pool", options.Service);
        Assert.Equal("east", options.Agent.Datacenter);
        Assert.Equal("gpu/1", options.Tag);
        Assert.Equal("https", options.Scheme);
        Assert.Null(options.Agent.Token);
    }

    [Theory]
    [InlineData("", "\"\" is no kind of discovery")]
    [InlineData("etcd:http://a:1", "\"etcd\" is no kind of discovery")]
    [InlineData("static", "There is no address where a node's address should be")]
    [InlineData("static:", "There is no address where a node's address should be")]
    [InlineData("static:http://a:1,", "There is no address where a node's address should be")]
    [InlineData("static:a:1", "\"a:1\" cannot be a node's address")]
    [InlineData("static:ftp://a:1", "\"ftp://a:1\" cannot be a node's address")]
    [InlineData("static:http://a:0", "\"http://a:0\" cannot be a node's address")]
    [InlineData("static:http://me:secret@a:1", "cannot be a node's address")]
    [InlineData("static:http://a:1/path", "\"http://a:1/path\" must end after host and port")]
    [InlineData("static:http://a:1,http://a:1", "\"http://a:1\" is there twice")]
    [InlineData("dns:pool", "\"pool\" must be a name, a colon and a port")]
    [InlineData("dns:pool:0", "must be a name, a colon and a port from 1 to 65535")]
    [InlineData("dns:pool:65536", "must be a name, a colon and a port from 1 to 65535")]
    [InlineData("dns:pool:+1", "must be a name, a colon and a port from 1 to 65535")]
    [InlineData("dns::7070", "\"\" is no host name")]
    [InlineData("dns:a b:7070", "\"a b\" is no host name")]
    [InlineData("dns:pool:1?scheme=grpc", "The scheme \"grpc\" must be http or https")]
    [InlineData("dns:pool:1?tag=x", "\"tag\" is no setting here; there is scheme")]
    [InlineData("consul:", "There is no address where the Consul agent's address should be")]
    [InlineData("consul:http://a:8500", "must end in a slash and the service's name")]
    [InlineData("consul:http://a:8500/a/b", "must end in a slash and the service's name")]
    [InlineData("consul:http://a:8500/s?token=x", "\"token\" is no setting here; there is scheme, dc, tag")]
    [InlineData("consul:http://a:8500/s?dc=", "\"dc\" has no value")]
    [InlineData("consul:http://a:8500/s?dc=a&dc=b", "\"dc\" is there twice")]
    public void What_is_wrong_is_said(string text, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => DiscoveryOptions.Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_read_or_refused_as_a_format()
    {
        string[] pieces = ["static:", "dns:", "consul:", "http://", "https://", "a", "[::1]", ":", "7070", "/", "?", "&", "dc", "=", ",", "%", "%20", "é", "\uD800", " ", "@", "#"];
        var random = new Random(80);
        int read = 0;
        for (int round = 0; round < 50_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                Assert.NotNull(DiscoveryOptions.Parse(text).Create(NullLoggerFactory.Instance, TimeProvider.System, random));
                read++;
            }
            catch (FormatException)
            {
            }
        }

        Assert.InRange(read, 1, 49_999);
    }

    [Fact]
    public void A_token_is_in_no_text()
    {
        var options = new ConsulDiscoveryOptions(new ConsulAgentOptions(new Uri("http://a:8500")) { Token = "s3cret" }, "s");

        Assert.DoesNotContain("s3cret", options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", options.Agent.ToString(), StringComparison.Ordinal);
    }
}
