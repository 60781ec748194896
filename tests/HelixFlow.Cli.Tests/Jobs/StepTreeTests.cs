using System.Text.Json;
using HelixFlow.Cli.Jobs;

namespace HelixFlow.Cli.Tests.Jobs;

public sealed class StepTreeTests
{
    [Fact]
    public void Addresses_are_drawn_as_branches_and_those_that_lead_to_one_place_as_one()
    {
        Assert.Equal(
            [
                "start",
                "turn",
                "├─ 1",
                "│  └─ call",
                "│     ├─ 1/approval",
                "│     └─ 2",
                "└─ 2",
                "end/of/it",
            ],
            Lines("start", "turn/1", "turn/1/call/1/approval", "turn/2", "turn/1/call/2", "end/of/it"));
    }

    [Fact]
    public void A_place_that_is_a_step_and_a_branch_is_drawn_once()
    {
        Assert.Equal(["a", "└─ b", "   └─ c"], Lines("a/b/c", "a", "a/b"));
        Assert.Equal(["a/b", "└─ c/d"], Lines("a/b/c/d", "a/b"));
        Assert.Equal(["", "└─ y", "x/"], Lines("", "x/", "/y"));
        Assert.Equal(["a", "├─ 2", "├─ 3", "└─ 10", "b", "├─ 2", "└─ x"], Lines("a/10", "a/2", "a/3", "b/2", "b/x"));
    }

    [Fact]
    public void Every_step_is_on_one_line_whatever_the_addresses_are()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            string[] addresses = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => string.Join('/', Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(3)))).Distinct()];
            var tree = new StepTree();
            foreach (string address in addresses)
            {
                tree.Add(address, JsonSerializer.SerializeToElement(address));
            }

            Assert.Equal(addresses.Order(StringComparer.Ordinal), tree.Lines().Where(static line => line.Step is not null).Select(static line => line.Step!.Value.GetString()!).Order(StringComparer.Ordinal));
            Assert.All(tree.Lines(), static line => Assert.EndsWith(line.Text.Split("─ ")[^1], line.Step?.GetString() ?? line.Text, StringComparison.Ordinal));
        }
    }

    private static string[] Lines(params string[] addresses)
    {
        var tree = new StepTree();
        foreach (string address in addresses)
        {
            tree.Add(address, default);
        }

        return [.. tree.Lines().Select(static line => line.Text)];
    }
}
