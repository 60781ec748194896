using HelixFlow.Agents.Values;

namespace HelixFlow.Agents.Tests.Values;

public sealed class ActionDigestTests
{
    [Fact]
    public void A_digest_stays_what_it_was() => // written down once: recorded steps are found by it for ever
        Assert.Equal(
            "5872d7f7e1faa2faecbd86069b267f968111da6cda8c38380dee7c02010a29bc",
            new ActionDigest("chunk", 2, new Dictionary<string, string> { ["text"] = "aa", ["größe"] = "bb" }, "sample 1", "project").Hash());

    [Theory]
    [InlineData("noop", 1, "0", "p")]
    [InlineData("größe", -7, "{\"a\":[1,2]}", "")]
    [InlineData("", int.MaxValue, "", "ein Projekt, 项目")]
    [InlineData("long", 2, "\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"", "p")]
    public void The_quick_digest_of_a_step_is_the_same(string executor, int version, string input, string project)
    {
        byte[] canonical = System.Text.Encoding.UTF8.GetBytes(input);
        foreach (string name in (string[])[executor, executor + new string('x', 5_000)])
        {
            Assert.Equal(
                new ActionDigest(name, version, new Dictionary<string, string> { ["input"] = ValueReference.Of(canonical) }, "", project).Hash(),
                ActionDigest.OfStep(name, version, canonical, project));
        }
    }

    [Fact]
    public void Actions_that_differ_in_any_part_have_different_digests_and_the_order_of_ports_is_none()
    {
        var action = new ActionDigest("e", 1, new Dictionary<string, string> { ["a"] = "1", ["b"] = "2" }, "", "n");
        string[] others =
        [
            (action with { Executor = "e1" }).Hash(), (action with { Version = 11 }).Hash(), (action with { Salt = "x" }).Hash(), (action with { Namespace = "" }).Hash(),
            (action with { Inputs = new Dictionary<string, string> { ["a"] = "12", ["b"] = "" } }).Hash(),
            (action with { Inputs = new Dictionary<string, string> { ["ab"] = "12" } }).Hash(),
            (action with { Executor = "", Namespace = "ne" }).Hash(),
        ];

        Assert.Equal(action.Hash(), (action with { Inputs = new Dictionary<string, string> { ["b"] = "2", ["a"] = "1" } }).Hash());
        Assert.DoesNotContain(action.Hash(), others);
        Assert.Equal(others.Length, others.Distinct().Count());
    }
}
