using System.Net;
using HelixFlow.Agents.Webhooks;

namespace HelixFlow.Agents.Http;

/// <summary>Where a client wants to be told about its job, read from its request.</summary>
internal static class WebhookSubmission
{
    private const int LongestUrl = 2000;

    public const int LongestName = 64;

    /// <summary>The field <c>webhook</c>; null when there is none.</summary>
    public static WebhookTarget? Read(RequestFields fields, bool allowPrivate)
    {
        if (fields.Object("webhook") is not { } webhook)
        {
            return null;
        }

        string url = webhook.Text("url", LongestUrl) ?? throw webhook.Wrong("url", "is missing");
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https") || address.UserInfo.Length > 0 || address.Fragment.Length > 0 || address.Host.Length == 0)
        {
            throw webhook.Wrong("url", "must be an address that begins with 'https://' or 'http://', without a user, a password or a fragment");
        }

        if (IPAddress.TryParse(address.DnsSafeHost, out IPAddress? literal) && !ReceiverAddress.IsAllowed(literal, allowPrivate))
        {
            throw webhook.Wrong("url", "is an address that this server does not tell anything: it is not public");
        }

        string? secret = webhook.Text("secret", 128), name = webhook.Text("secret_name", LongestName);
        if (secret is null == name is null)
        {
            throw webhook.Wrong("secret", "or 'secret_name' is needed, and only one of them");
        }

        if (secret is not null && !WebhookSecret.IsValid(secret))
        {
            throw webhook.Wrong("secret", "must be 'whsec_' and 24 to 64 bytes in base64");
        }

        var target = new WebhookTarget(address.AbsoluteUri, ReadEvents(webhook), secret, name);
        webhook.Finish();
        return target;
    }

    private static WebhookEvents ReadEvents(RequestFields webhook)
    {
        WebhookEvents events = WebhookEvents.None;
        foreach (string word in webhook.Texts("events", 16, 32))
        {
            events |= Words.TryRead(word, out WebhookEvents named) && named != WebhookEvents.None
                ? named
                : throw webhook.Wrong("events", $"may have {string.Join(", ", Words.Of<WebhookEvents>().Where(static word => word != "none"))}");
        }

        return events == WebhookEvents.None ? WebhookEvents.Ended : events;
    }
}
