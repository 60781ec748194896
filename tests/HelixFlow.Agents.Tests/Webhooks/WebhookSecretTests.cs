using System.Net;
using HelixFlow.Agents.Webhooks;

namespace HelixFlow.Agents.Tests.Webhooks;

public sealed class WebhookSecretTests
{
    [Fact]
    public void A_message_is_signed_as_the_specification_s_example() => Assert.Equal(
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        WebhookSecret.Sign(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}"u8));

    [Fact]
    public void A_new_secret_is_valid_and_never_the_same()
    {
        string[] secrets = [.. Enumerable.Range(0, 100).Select(static _ => WebhookSecret.New())];

        Assert.All(secrets, static secret => Assert.True(WebhookSecret.IsValid(secret)));
        Assert.Equal(100, secrets.Distinct().Count());
        Assert.Equal(2, WebhookSecret.Sign(secrets[..2], "msg_1", 1, "{}"u8).Split(' ').Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("whsec_")]
    [InlineData("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM=")] // 23 bytes
    [InlineData("whsec_????????????????????????????????")]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU=")] // 65 bytes
    public void What_is_no_secret_is_refused(string text) => Assert.False(WebhookSecret.IsValid(text));

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("10.1.2.3")]
    [InlineData("172.31.255.255")]
    [InlineData("192.168.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("100.64.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::1")]
    [InlineData("::")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("::127.0.0.1")]
    [InlineData("fc00::1")]
    [InlineData("fd12::1")]
    [InlineData("fe80::1")]
    [InlineData("ff02::1")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("2002:7f00:1::")]
    public void Addresses_within_networks_are_not_public(string address) => Assert.False(ReceiverAddress.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData("8.8.8.8")]
    [InlineData("172.32.0.1")]
    [InlineData("100.128.0.1")]
    [InlineData("2606:4700:4700::1111")]
    [InlineData("::ffff:8.8.8.8")]
    public void Addresses_of_the_internet_are_public(string address) => Assert.True(ReceiverAddress.IsPublic(IPAddress.Parse(address)));
}
