using HelixFlow.Agents.Hints;

namespace HelixFlow.Agents.Tests.Hints;

public sealed class RabbitAddressTests
{
    [Theory]
    [InlineData("amqp://broker")]
    [InlineData("amqp://broker:5673/")]
    [InlineData("amqp://user:p%40ss@broker:5672/jobs")]
    [InlineData("amqps://user:pass@broker/%2fjobs")]
    [InlineData("amqp://[::1]:5672/jobs")]
    public void Addresses_of_brokers_are_taken(string address) => Assert.Equal(new Uri(address), RabbitAddress.Parse(address));

    [Theory]
    [InlineData("")]
    [InlineData("broker")]
    [InlineData("broker:5672")]
    [InlineData("http://user:secret@broker/")]
    [InlineData("amqp:///jobs")]
    [InlineData("amqp://user:secret@broker/one/two")]
    [InlineData("amqp://user:secret@broker/jobs?heartbeat=1")]
    [InlineData("amqp://user:secret@broker/jobs#1")]
    [InlineData("amqp://user:secret@broker:port/")]
    [InlineData("amqp://user:secret:more@broker")]
    public void What_is_none_is_refused_and_not_repeated(string address)
    {
        string message = Assert.Throws<FormatException>(() => RabbitAddress.Parse(address)).Message;

        Assert.Contains("amqp://user:password@host:5672/vhost", message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", message, StringComparison.Ordinal);
    }
}
