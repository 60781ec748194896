using System.Text;
using System.Text.Json;
using HelixFlow.Discovery.Consul;

namespace HelixFlow.Discovery.Tests.Consul;

public sealed class ConsulHealthTests
{
    // Shaped like the sample response in Consul's documentation of GET /v1/health/service/:service.
    private const string Sample = """
        [
          {
            "Node": {
              "ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Node": "foobar", "Address": "10.1.10.12", "Datacenter": "dc1",
              "TaggedAddresses": { "lan": "10.1.10.12", "wan": "10.1.10.12" }, "Meta": { "instance_type": "t2.medium" }
            },
            "Service": {
              "ID": "pool-1", "Service": "pool", "Tags": ["primary"], "Address": "10.1.10.13",
              "TaggedAddresses": { "lan": { "address": "10.1.10.12", "port": 8000 } },
              "Meta": { "scheme": "https", "zone": "a" }, "Port": 8000, "Weights": { "Passing": 10, "Warning": 1 }, "Namespace": "default"
            },
            "Checks": [{ "Node": "foobar", "CheckID": "service:pool-1", "Name": "Service check", "Status": "passing", "Notes": "", "Output": "" }]
          },
          { "Node": { "Address": "fd00::1" }, "Service": { "ID": "pool-0", "Service": "pool", "Address": "", "Meta": null, "Port": 7070 } }
        ]
        """;

    [Fact]
    public void Instances_are_read_with_their_nodes_address_where_they_have_none()
    {
        ConsulHealth health = Parse(Sample);

        Assert.Equal(0, health.Skipped);
        Assert.Equal(
            [
                new NodeAddress("pool-0", new Uri("http://[fd00::1]:7070")),
                new NodeAddress("pool-1", new Uri("https://10.1.10.13:8000"), new Dictionary<string, string> { ["scheme"] = "https", ["zone"] = "a" }),
            ],
            health.Nodes);
    }

    [Theory]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h", "Port": 0 } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h", "Port": 65536 } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h", "Port": 1.5 } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h" } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h/../x", "Port": 1 } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "", "Port": 1 } }]""")]
    [InlineData("""[{ "Service": { "ID": "", "Address": "h", "Port": 1 } }]""")]
    public void Instances_without_a_usable_address_are_skipped_and_counted(string body)
    {
        ConsulHealth health = Parse(body);

        Assert.Empty(health.Nodes);
        Assert.Equal(1, health.Skipped);
    }

    [Fact]
    public void Instances_of_the_same_id_on_two_agents_are_two_nodes()
    {
        ConsulHealth health = Parse("""
            [{ "Service": { "ID": "a", "Address": "h1", "Port": 1 } }, { "Service": { "ID": "a", "Address": "h2", "Port": 1 } }, { "Service": { "ID": "a", "Address": "h2", "Port": 1 } }]
            """);

        Assert.Equal(["a", "a@h2:1"], health.Nodes.Select(node => node.Id));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("[{}]")]
    [InlineData("""[{ "Service": [] }]""")]
    [InlineData("""[{ "Service": { "Address": "h", "Port": 1 } }]""")]
    [InlineData("""[{ "Service": { "ID": 1, "Address": "h", "Port": 1 } }]""")]
    [InlineData("""[{ "Service": { "ID": "\ud800", "Address": "h", "Port": 1 } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h", "Port": "1" } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h", "Port": 1, "Meta": { "k": 1 } } }]""")]
    [InlineData("""[{ "Service": { "ID": "a", "Address": "h", "Port": 1 } }""")]
    public void What_is_no_answer_of_consul_is_refused(string body) => Assert.ThrowsAny<JsonException>(() => Parse(body));

    [Fact]
    public void Any_bytes_are_read_or_refused_as_json()
    {
        byte[] sample = Encoding.UTF8.GetBytes(Sample);
        byte[][] pieces = [.. new[] { "null", "{}", "[]", "\"\"", "1e999", "-1", "\\ud800", "\"ID\"", "\"Service\"", "\u0000", "\"Port\":70000" }.Select(Encoding.UTF8.GetBytes)];
        var random = new Random(81);
        int read = 0;
        for (int round = 0; round < 30_000; round++)
        {
            var bytes = new List<byte>(sample);
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                int at = random.Next(bytes.Count);
                switch (random.Next(4))
                {
                    case 0:
                        bytes[at] = (byte)random.Next(256);
                        break;
                    case 1:
                        bytes.RemoveRange(at, Math.Min(random.Next(40), bytes.Count - at));
                        break;
                    case 2:
                        bytes.InsertRange(at, pieces[random.Next(pieces.Length)]);
                        break;
                    default:
                        bytes.InsertRange(at, bytes.GetRange(random.Next(bytes.Count / 2), random.Next(bytes.Count / 2)));
                        break;
                }
            }

            try
            {
                ConsulHealth health = ConsulHealth.Parse(bytes.ToArray(), "http");
                Assert.All(health.Nodes, node => Assert.True(node.Address.IsAbsoluteUri && node.Address.Port > 0 && node.Id.Length > 0));
                Assert.Equal(health.Nodes.Count, health.Nodes.Select(node => node.Id).Distinct().Count());
                read++;
            }
            catch (JsonException)
            {
            }
        }

        Assert.InRange(read, 1000, 29_000);
    }

    private static ConsulHealth Parse(string body) => ConsulHealth.Parse(Encoding.UTF8.GetBytes(body), "http");
}
