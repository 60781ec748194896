using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using HelixFlow.Agents.Fetching;

namespace HelixFlow.Agents.Tests.Fetching;

public sealed class AddressRulesTests
{
    // First and last addresses of what IANA's registries call special (iana-ipv4-special-registry, iana-ipv6-special-registry, multicast), and the ways to hide one.
    private static readonly string[] _notPublic =
    [
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0", "127.0.0.1", "127.255.255.255", "169.254.0.0",
        "169.254.169.254", "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.192", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0", "192.168.0.0",
        "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0",
        "255.255.255.255", "100.100.100.200", "168.63.129.16",
        "::", "::1", "::7f00:1", "::ffff:0.0.0.0", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1",
        "100::1", "2001::1", "2001:0:102:304::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2002:7f00:1::", "2002:808:808::1",
        "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::1", "fe80::1%1", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
        "4000::1", "1fff:ffff::1",
    ];

    private static readonly string[] _public =
    [
        "1.0.0.0", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
        "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
        "2000::1", "2001:200::1", "2606:4700:4700::1111", "2a00:1450:4001::1", "3ffe:ffff::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    ];

    public static TheoryData<string> NotPublic => [.. _notPublic];

    public static TheoryData<string> Public => [.. _public];

    [Theory]
    [MemberData(nameof(NotPublic))]
    public void What_is_not_public_is_refused_and_its_name_does_not_help(string text)
    {
        var address = IPAddress.Parse(text);
        AddressRules rules = AddressRules.Parse([], [80]);

        Assert.NotEqual(AddressKind.Public, AddressRules.KindOf(address));
        Assert.False(rules.Allows("example.com", 80, address));
        Assert.False(rules.Allows(text, 80, address));
    }

    [Theory]
    [MemberData(nameof(Public))]
    public void What_is_public_is_allowed_on_the_ports_of_the_web(string text)
    {
        AddressRules rules = AddressRules.Parse([], [80, 443]);

        Assert.Equal(AddressKind.Public, AddressRules.KindOf(IPAddress.Parse(text)));
        Assert.True(rules.Allows("example.com", 443, IPAddress.Parse(text)));
        Assert.False(rules.Allows("example.com", 22, IPAddress.Parse(text)));
        Assert.False(rules.Allows("example.com", 6379, IPAddress.Parse(text)));
    }

    [Fact]
    public void Any_address_of_the_old_kind_is_judged_the_same_however_it_is_written()
    {
        var random = new Random(41);
        byte[] bytes = new byte[4];
        for (int round = 0; round < 100_000; round++)
        {
            random.NextBytes(bytes);
            bytes[0] = round % 3 == 0 ? (byte)(new[] { 0, 10, 100, 127, 169, 172, 192, 198, 203 }[random.Next(9)]) : bytes[0];
            var address = new IPAddress(bytes);
            bool isPublic = AddressRules.KindOf(address) == AddressKind.Public;

            Assert.Equal(IsOutsideOfAll(BinaryPrimitives.ReadUInt32BigEndian(bytes)), isPublic);
            Assert.Equal(AddressRules.KindOf(address), AddressRules.KindOf(address.MapToIPv6()));
            Assert.Equal(isPublic, AddressRules.KindOf(With("64:ff9b::", 12, bytes)) == AddressKind.Public);
            Assert.NotEqual(AddressKind.Public, AddressRules.KindOf(With("2002::", 2, bytes)));
            Assert.NotEqual(AddressKind.Public, AddressRules.KindOf(With("2001::", 12, bytes)));
            Assert.NotEqual(AddressKind.Public, AddressRules.KindOf(With("::", 12, bytes)));
        }
    }

    [Fact]
    public void Of_the_new_kind_only_global_unicast_is_public()
    {
        var random = new Random(42);
        byte[] bytes = new byte[16];
        for (int round = 0; round < 100_000; round++)
        {
            random.NextBytes(bytes);
            var address = new IPAddress(bytes);
            if (AddressRules.KindOf(address) == AddressKind.Public)
            {
                Assert.Equal(0b001, bytes[0] >> 5);
            }
            else if (bytes[0] >> 5 == 0b001)
            {
                Assert.True(bytes[0] == 0x20 || bytes[0] == 0x26 || bytes[0] == 0x3f, address.ToString());
            }
        }
    }

    [Fact]
    public void What_the_operator_lists_is_allowed_and_no_more()
    {
        IPAddress inside = IPAddress.Parse("10.1.2.3"), loopback = IPAddress.Loopback, metadata = IPAddress.Parse("169.254.169.254");
        AddressRules network = AddressRules.Parse(["10.1.0.0/16"], [80]);
        Assert.True(network.Allows("any", 8080, inside));
        Assert.True(network.Allows("any", 8080, inside.MapToIPv6()));
        Assert.False(network.Allows("any", 80, IPAddress.Parse("10.2.0.1")));

        AddressRules host = AddressRules.Parse(["wiki.corp:8443", "*.lan"], [80]);
        Assert.True(host.Allows("WIKI.corp.", 8443, inside));
        Assert.False(host.Allows("wiki.corp", 80, inside));
        Assert.False(host.Allows("other.corp", 8443, inside));
        Assert.True(host.Allows("a.b.lan", 9000, loopback));
        Assert.False(host.Allows("lan", 9000, loopback));
        Assert.False(host.Allows("notlan", 9000, loopback));
        Assert.False(host.Allows("a.lan", 80, metadata));

        AddressRules all = AddressRules.Parse(["private"], [80]);
        Assert.True(all.Allows("x", 1234, loopback));
        Assert.True(all.Allows("x", 1234, IPAddress.Parse("fc00::1")));
        Assert.False(all.Allows("x", 80, metadata));
        Assert.False(all.Allows("x", 80, IPAddress.Parse("fd00:ec2::254")));
        Assert.False(all.Allows("x", 80, IPAddress.Any));
        Assert.True(AddressRules.Parse(["169.254.169.254"], [80]).Allows("x", 80, metadata));
    }

    [Fact]
    public void Without_ports_nothing_public_is_reached_but_what_is_listed()
    {
        AddressRules rules = AddressRules.Parse(["docs.example", "1.1.1.0/24"], []);

        Assert.False(rules.Allows("example.com", 443, IPAddress.Parse("8.8.8.8")));
        Assert.True(rules.Allows("docs.example", 443, IPAddress.Parse("8.8.8.8")));
        Assert.True(rules.Allows("example.com", 443, IPAddress.Parse("1.1.1.1")));
    }

    [Fact]
    public async Task Python_calls_everything_global_that_is_public_here()
    {
        var random = new Random(43);
        List<IPAddress> addresses = [.. _notPublic.Concat(_public).Where(static text => !text.Contains('%', StringComparison.Ordinal)).Select(IPAddress.Parse)];
        for (int round = 0; round < 20_000; round++)
        {
            byte[] bytes = new byte[round % 2 == 0 ? 4 : 16];
            random.NextBytes(bytes);
            bytes[0] = round % 4 == 1 ? (byte)(0x20 | (bytes[0] & 0x1f)) : bytes[0];
            addresses.Add(new IPAddress(bytes));
        }

        var start = new ProcessStartInfo("python3") { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add("import ipaddress, sys\nfor line in sys.stdin:\n    a = ipaddress.ip_address(line.strip())\n    print(int(a.is_global and not a.is_multicast))");
        using Process? python = Start(start);
        Assert.SkipWhen(python is null, "There is no python3 here.");
        Task<string> answers = python.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        foreach (IPAddress address in addresses)
        {
            await python.StandardInput.WriteLineAsync(address.ToString());
        }

        python.StandardInput.Close();
        string[] global = (await answers).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await python.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(addresses.Count, global.Length);
        foreach ((int i, IPAddress address) in addresses.Index())
        {
            bool isPublic = AddressRules.KindOf(address) == AddressKind.Public;
            Assert.True(!isPublic || global[i] == "1" || address.IsIPv4MappedToIPv6, $"{address} is public here, and not global to Python");

            // Of the old kind, Python lets anycast for old tunnels and name servers pass, and knows of no cloud.
            bool isKnownDifference = address.ToString() is var text && (text.StartsWith("192.", StringComparison.Ordinal) || text == "168.63.129.16");
            Assert.True(isPublic || global[i] == "0" || address.AddressFamily == AddressFamily.InterNetworkV6 || isKnownDifference, $"{address} is global to Python, and not public here");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("host:0")]
    [InlineData("host:65536")]
    [InlineData("host:x")]
    [InlineData("10.0.0.0/33")]
    [InlineData("http://host")]
    [InlineData("*")]
    [InlineData("*.")]
    public void A_rule_that_is_none_is_refused(string rule) => Assert.Throws<FormatException>(() => AddressRules.Parse([rule], [80]));

    // Ranges as whole numbers, told once more in another way than the product's.
    private static bool IsOutsideOfAll(uint a) => !(
        a <= 0x00FFFFFF || (a >> 24) is 10 or 127 || (a >> 22) == 0x191 || (a >> 16) == 0xA9FE || (a >> 20) == 0xAC1 || (a >> 8) == 0xC00000 || (a >> 8) == 0xC00002 ||
        (a >> 8) is 0xC01FC4 or 0xC034C1 or 0xC05863 or 0xC0AF30 || (a >> 16) == 0xC0A8 || (a >> 17) == 0x6309 || (a >> 8) == 0xC63364 || (a >> 8) == 0xCB0071 || a >= 0xE0000000 ||
        a == 0xA83F8110);

    private static Process? Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static IPAddress With(string start, int at, byte[] four)
    {
        byte[] bytes = IPAddress.Parse(start).GetAddressBytes();
        four.CopyTo(bytes, at);
        Assert.Equal(AddressFamily.InterNetworkV6, new IPAddress(bytes).AddressFamily);
        return new IPAddress(bytes);
    }
}
