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
    [InlineData("127.0.0.1", false, true)]
    [InlineData("10.1.2.3", false, true)]
    [InlineData("::1", false, true)]
    [InlineData("::ffff:127.0.0.1", false, true)]
    [InlineData("fd12::1", false, true)]
    [InlineData("169.254.169.254", false, false)]
    [InlineData("0.0.0.0", false, false)]
    [InlineData("64:ff9b::7f00:1", false, false)]
    [InlineData("8.8.8.8", true, true)]
    [InlineData("2606:4700:4700::1111", true, true)]
    public void Addresses_that_are_not_public_are_told_only_where_that_is_allowed(string address, bool isAllowed, bool isAllowedThen) => Assert.Equal(
        (isAllowed, isAllowedThen), (ReceiverAddress.IsAllowed(IPAddress.Parse(address), allowPrivate: false), ReceiverAddress.IsAllowed(IPAddress.Parse(address), allowPrivate: true)));
}
