using HelixFlow.InferenceNode.Devices;
using HelixFlow.InferenceNode.Placement;
using static HelixFlow.InferenceNode.Tests.Placement.PlacementKit;

namespace HelixFlow.InferenceNode.Tests.Placement;

public sealed class SplitPlanTests
{
    [Fact]
    public void A_rank_takes_its_share_of_weights_and_heads_and_all_of_the_scratch()
    {
        var need = new ModelNeed(1001, 80, 7, KvHeads: 8);

        Assert.Equal(501 + 40 + 7, need.BytesPerRank(2));
        Assert.Equal(126 + 10 + 7, need.BytesPerRank(8));
        Assert.Equal(63 + 10 + 7, need.BytesPerRank(16)); // Two ranks share a head and each keeps it whole.
        Assert.Equal(need.TotalBytes, need.BytesPerRank(1));
    }

    [Fact]
    public void The_plan_is_shown_and_its_execution_refused()
    {
        Device[] gpus = [.. Enumerable.Range(0, 5).Select(i => new Device($"cuda:{i}", DeviceKind.Cuda, "GPU", 100, i == 1 ? 10 : 80 + i))];
        var placement = new ModelPlacement([.. Cpus(50), .. gpus], new PlacementOptions());
        placement.AddModel("large", new ModelNeed(280, 16, 1, KvHeads: 8));

        AcquireOutcome outcome = placement.Acquire("large", At(0));

        Assert.Equal(AcquireStatus.Impossible, outcome.Status);
        Assert.Equal(["cuda:4", "cuda:3", "cuda:2", "cuda:0"], outcome.Refusal!.Split!.Devices.Select(device => device.Id));
        Assert.Equal(70 + 4 + 1, outcome.Refusal.Split.BytesPerRank);
        Assert.EndsWith(
            "It needs 4 devices together (cuda:4, cuda:3, cuda:2, cuda:0, 75 B each); running a model across devices is not supported by this build's backends.",
            outcome.Refusal.Reason,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_fits_one_device_or_no_number_of_them_is_not_split()
    {
        Assert.Null(new ModelPlacement(Cpus(50, 50), new PlacementOptions()).AddModel("a", Need(50)));
        Assert.Null(new ModelPlacement(Cpus(50, 50, 50), new PlacementOptions()).AddModel("a", Need(150))!.Split); // Three are no power of two.
        Assert.NotNull(new ModelPlacement(Cpus(50, 50), new PlacementOptions()).AddModel("a", Need(100))!.Split);
    }

    [Fact]
    public void A_plan_uses_as_few_devices_as_possible_of_one_kind_and_each_can_hold_its_rank()
    {
        var random = new Random(5);
        for (int round = 0; round < 2000; round++)
        {
            Device[] devices =
            [
                .. Enumerable.Range(0, random.Next(0, 6)).Select(i => new Device($"cuda:{i}", DeviceKind.Cuda, "", 0, random.Next(1, 100))),
                .. Enumerable.Range(0, random.Next(0, 6)).Select(i => new Device($"hip:{i}", DeviceKind.Hip, "", 0, random.Next(1, 100))),
            ];
            var need = new ModelNeed(random.Next(1, 400), random.Next(0, 100), random.Next(0, 10), random.Next(1, 9));

            SplitPlan? plan = SplitPlan.Find(devices, need);

            int fewest = new[] { 2, 4, 8 }.FirstOrDefault(ranks => new[] { DeviceKind.Cuda, DeviceKind.Hip }
                .Any(kind => devices.Count(device => device.Kind == kind && device.BudgetBytes >= need.BytesPerRank(ranks)) >= ranks));
            Assert.Equal(fewest, plan?.Devices.Count ?? 0);
            if (plan is not null)
            {
                Assert.Equal(need.BytesPerRank(fewest), plan.BytesPerRank);
                Assert.Single(plan.Devices.Select(device => device.Kind).Distinct());
                Assert.Equal(fewest, plan.Devices.Distinct().Count());
                Assert.All(plan.Devices, device => Assert.True(device.BudgetBytes >= plan.BytesPerRank));
            }
        }
    }
}
