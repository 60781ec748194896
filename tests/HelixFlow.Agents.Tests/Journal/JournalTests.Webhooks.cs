using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Webhooks;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Journal;

public abstract partial class JournalTests
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    [Fact]
    public async Task Each_event_that_a_receiver_wants_is_in_the_outbox_with_the_event_itself()
    {
        await using var host = new Host(Open());
        string id = (await host.RequestAsync(Told(WebhookEvents.Ended | WebhookEvents.Progressed | WebhookEvents.AttemptFailed))).Run!.Id;
        Assert.Equal(RunStartKind.Created, (await host.RequestAsync("u")).Kind); // nobody is told of it
        Claim claim = Assert.Single(await host.ClaimAsync("t"));
        Assert.True(await host.Journal.ProgressAsync(claim.Lease, 40, "half way", null, Token));
        Assert.True(await host.Journal.FailAsync(claim.Lease, new RunError("broken", "It broke."), false, Token));
        await host.PassAsync(10_000);
        Assert.True(await host.Journal.SucceedAsync(Assert.Single(await host.ClaimAsync("t")).Lease, Json("1"), Token));

        List<WebhookDelivery> deliveries = [.. await DeliveriesAsync(host)];
        Assert.Equal(["job.progressed", "job.attempt_failed", "job.succeeded"], deliveries.Select(static delivery => delivery.Kind));
        Assert.All(deliveries, delivery => Assert.Equal((id, DeliveryState.Pending, 0), (delivery.Job, delivery.State, delivery.Attempts)));
        List<NumberedEvent> events = await host.Journal.EventsAsync("p", id, 0, 100, Token);
        foreach (WebhookDelivery delivery in deliveries)
        {
            (WebhookDelivery whole, _) = (await host.Journal.DeliveryAsync("p", delivery.Id, Token))!.Value;
            JsonElement data = JsonElement.Parse(whole.Body).GetProperty("data");
            NumberedEvent happened = events.Single(one => one.Number == data.GetProperty("event").GetProperty("number").GetInt64());
            Assert.Equal((delivery.Kind, id, "7"), ("job." + Agents.Http.Words.Of(happened.Event.Kind), data.GetProperty("job").GetString(), data.GetProperty("labels").GetProperty("order").GetString()));
        }

        Assert.Null(await host.Journal.DeliveryAsync("q", deliveries[0].Id, Token));
        Assert.False(await host.Journal.RedeliverAsync("q", deliveries[0].Id, Token));
        Assert.Equal(RunDeletion.Deleted, await host.Journal.DeleteAsync("p", id, Token));
        Assert.Empty(await DeliveriesAsync(host));
    }

    [Fact]
    public async Task The_outbox_and_what_happened_are_written_together_or_not_at_all()
    {
        (IDatabase database, BlobFolder blobs) = Open();
        await using var _ = database;
        var sure = new Agents.Journal.Journal(database, blobs, TimeProvider.System, new JournalOptions());
        var random = new Random(5);
        int ended = 0;
        for (int i = 0; i < 40; i++)
        {
            string id = (await sure.RequestAsync(Told(WebhookEvents.Ended), Token)).Run!.Id;
            Claim claim = Assert.Single(await sure.ClaimAsync("worker", ["t"], 1, Token));
            var dying = new Agents.Journal.Journal(new DyingDatabase(database, random), blobs, TimeProvider.System, new JournalOptions());
            try
            {
                await dying.SucceedAsync(claim.Lease, Json("1"), Token);
            }
            catch (Crash)
            {
            }

            (List<WebhookDelivery> deliveries, long? next) = await sure.DeliveriesAsync("p", new DeliveryFilter(id, null, null, 10), Token);
            bool hasEnded = (await sure.GetAsync("p", id, Token))!.HasEnded;
            Assert.Equal((hasEnded ? 1 : 0, null), (deliveries.Count, next));
            ended += deliveries.Count;
        }

        Assert.InRange(ended, 1, 39);
    }

    [Fact]
    public async Task A_delivery_is_one_sender_s_at_a_time_and_another_s_when_that_one_is_lost()
    {
        await using var host = new Host(Open());
        for (int i = 0; i < 20; i++)
        {
            await host.RequestAsync(Told(WebhookEvents.Ended));
            Assert.True(await host.Journal.SucceedAsync(Assert.Single(await host.ClaimAsync("t")).Lease, Json("1"), Token));
        }

        List<DueDelivery>[] claims = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => host.Journal.ClaimDeliveriesAsync(5, 60_000, Token)));
        List<DueDelivery> all = [.. claims.SelectMany(static claim => claim), .. await host.Journal.ClaimDeliveriesAsync(100, 60_000, Token)];
        Assert.Equal(20, all.Select(static due => due.Delivery.Id).Distinct().Count());
        Assert.Equal(20, all.Count);
        Assert.All(all, static due => Assert.Equal((1, Secret), (due.Tries, Assert.Single(due.Secrets))));
        Assert.Empty(await host.Journal.ClaimDeliveriesAsync(100, 60_000, Token));

        host.Journal.ClockSkewMs += 61_000;
        List<DueDelivery> again = await host.Journal.ClaimDeliveriesAsync(100, 60_000, Token);
        Assert.Equal(20, again.Count);
        var taken = new DeliveryAttempt(1, 1, 1, 200, null);
        Assert.False(await host.Journal.RecordDeliveryAsync(all[0].Delivery, taken, null, false, Token)); // it came back too late
        Assert.True(await host.Journal.RecordDeliveryAsync(again[0].Delivery, taken with { Number = 2 }, null, false, Token));
        Assert.Single(await DeliveriesAsync(host), static delivery => delivery.State == DeliveryState.Delivered);
    }

    [Fact]
    public async Task The_same_key_with_another_receiver_is_a_conflict()
    {
        await using var host = new Host(Open());
        RunRequest request = Told(WebhookEvents.Ended) with { Key = "k" };
        Assert.Equal(RunStartKind.Created, (await host.RequestAsync(request)).Kind);
        Assert.Equal(RunStartKind.Existing, (await host.RequestAsync(request)).Kind);
        Assert.Equal(RunStartKind.Conflict, (await host.RequestAsync(request with { Webhook = request.Webhook! with { Url = "https://other.example/" } })).Kind);
        Assert.Equal(RunStartKind.Conflict, (await host.RequestAsync(request with { Webhook = null })).Kind);
    }

    private static RunRequest Told(WebhookEvents events) => new()
    {
        Project = "p", Type = "t", Input = Json("1"), Labels = new Dictionary<string, string> { ["order"] = "7" }, Webhook = new WebhookTarget("https://receiver.example/hook", events, Secret, null),
    };

    private static async Task<IEnumerable<WebhookDelivery>> DeliveriesAsync(Host host) =>
        (await host.Journal.DeliveriesAsync("p", new DeliveryFilter(null, null, null, 100), Token)).Deliveries.AsEnumerable().Reverse();
}
