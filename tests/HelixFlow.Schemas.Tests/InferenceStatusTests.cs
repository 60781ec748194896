using Grpc.Core;

namespace HelixFlow.Schemas.Tests;

public sealed class InferenceStatusTests
{
    public static TheoryData<InferenceError> Errors => [.. Enum.GetValues<InferenceError>()];

    [Theory]
    [MemberData(nameof(Errors))]
    public void A_refusal_comes_through_grpc_as_it_was(InferenceError error)
    {
        var refusal = new InferenceException(error, "Schön ist das nicht: 100 %", "sampling.top_p") { RetryAfter = TimeSpan.FromMilliseconds(1500) };

        InferenceException received = InferenceStatus.FromRpc(InferenceStatus.ToRpc(refusal));

        Assert.Equal(error, received.Error);
        Assert.Equal(refusal.Message, received.Message);
        Assert.Equal(refusal.Field, received.Field);
        Assert.Equal(refusal.RetryAfter, received.RetryAfter);
    }

    [Fact]
    public void What_is_not_said_stays_unsaid()
    {
        InferenceException received = InferenceStatus.FromRpc(InferenceStatus.ToRpc(new InferenceException(InferenceError.Internal, "x")));

        Assert.Null(received.Field);
        Assert.Null(received.RetryAfter);
    }

    [Theory]
    [InlineData(StatusCode.Unavailable, InferenceError.Unavailable)]
    [InlineData(StatusCode.DeadlineExceeded, InferenceError.DeadlineExceeded)]
    [InlineData(StatusCode.ResourceExhausted, InferenceError.Overloaded)]
    [InlineData(StatusCode.Unknown, InferenceError.Internal)]
    public void A_status_without_details_is_judged_by_its_code(StatusCode code, InferenceError error)
    {
        Assert.Equal(error, InferenceStatus.FromRpc(new RpcException(new Status(code, "gone"))).Error);
        Assert.Equal(code.ToString(), InferenceStatus.FromRpc(new RpcException(new Status(code, ""))).Message);
    }

    [Fact]
    public void Details_that_cannot_be_read_take_nothing_from_the_status()
    {
        var random = new Random(5);
        for (int i = 0; i < 500; i++)
        {
            byte[] garbage = new byte[random.Next(64)];
            random.NextBytes(garbage);
            var exception = new RpcException(new Status(StatusCode.Unavailable, "gone"), new Metadata { { "grpc-status-details-bin", garbage } });

            Assert.Equal("gone", InferenceStatus.FromRpc(exception).Message);
        }
    }
}
