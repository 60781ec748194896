using HelixFlow.Engine.Speculation;

namespace HelixFlow.Engine.Tests.Speculation;

public sealed class MatchRecordTests
{
    [Fact]
    public void Chances_follow_the_recent_past_and_differ_by_length()
    {
        var record = new MatchRecord(memory: 30, parent: null);
        for (int i = 0; i < 300; i++)
        {
            record.Add(2, hit: false);
            record.Add(40, hit: true);
        }

        Assert.InRange(record.ChanceOf(2), 0, 0.05);
        Assert.InRange(record.ChanceOf(64), 0.95, 1);
        for (int i = 0; i < 100; i++)
        {
            record.Add(2, hit: true);
        }

        Assert.InRange(record.ChanceOf(2), 0.8, 1);
    }

    [Fact]
    public void One_who_knows_little_believes_what_others_met_with()
    {
        var everyones = new MatchRecord(memory: 1000, parent: null);
        var veteran = new MatchRecord(memory: 30, everyones);
        for (int i = 0; i < 500; i++)
        {
            veteran.Add(8, hit: i % 10 == 0);
        }

        var novice = new MatchRecord(memory: 30, everyones);
        Assert.InRange(novice.ChanceOf(9), 0.08, 0.12);
        novice.Add(8, hit: true);
        Assert.InRange(novice.ChanceOf(9), 0.2, 0.4);
    }

    [Fact]
    public void Longer_matches_are_trusted_more_from_the_start()
    {
        var record = new MatchRecord(memory: 30, parent: null);
        float before = 0;
        foreach (int length in (int[])[2, 3, 4, 8, 16, 32])
        {
            Assert.InRange(record.ChanceOf(length), before + 0.01f, 1);
            before = record.ChanceOf(length);
        }
    }
}
