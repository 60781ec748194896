namespace HelixFlow.Agents.Fetching;

/// <summary>The robots.txt of the hosts that were asked lately. Thread-safe; the caller asks for one host at a time.</summary>
internal sealed class RobotsCache(GuardedClient client, FetchOptions options, TimeProvider time)
{
    private const int MostHosts = 1024;
    private static readonly TimeSpan _validity = TimeSpan.FromHours(24); // the longest that RFC 9309 lets a file be used
    private static readonly TimeSpan _unreachableValidity = TimeSpan.FromMinutes(5);

    private static readonly PageRequest _request = new("text/plain, */*;q=0.1", RobotsRules.MaxBytes, IsCut: true);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (RobotsRules Rules, long Since, TimeSpan Validity)> _known = new(StringComparer.Ordinal);

    /// <summary>The rules for an address: a file that is not there allows all, one that cannot be had refuses all.</summary>
    /// <exception cref="FetchException">The host may not be reached, or its name leads nowhere: so would the page's.</exception>
    public async Task<RobotsRules> GetAsync(Uri address, CancellationToken cancellationToken)
    {
        string origin = address.GetLeftPart(UriPartial.Authority);
        lock (_lock)
        {
            if (_known.TryGetValue(origin, out var known) && time.GetElapsedTime(known.Since) < known.Validity)
            {
                return known.Rules;
            }
        }

        RobotsRules? rules = await FetchAsync(new Uri(address, "/robots.txt"), cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            if (_known.Count >= MostHosts)
            {
                foreach (string old in _known.OrderBy(static pair => pair.Value.Since).Take(MostHosts / 4).Select(static pair => pair.Key).ToArray())
                {
                    _known.Remove(old);
                }
            }

            _known[origin] = (rules ?? RobotsRules.RefuseAll, time.GetTimestamp(), rules is null ? _unreachableValidity : _validity);
        }

        return rules ?? RobotsRules.RefuseAll;
    }

    private async Task<RobotsRules?> FetchAsync(Uri address, CancellationToken cancellationToken)
    {
        long started = time.GetTimestamp();
        for (int hop = 0; hop <= options.MaxRedirects; hop++)
        {
            PageResponse response;
            try
            {
                response = await client.GetAsync(address, _request, options.TimeLimit - time.GetElapsedTime(started), cancellationToken).ConfigureAwait(false);
            }
            catch (FetchException exception) when (hop > 0 || IsAboutTheFile(exception.Failure))
            {
                return null;
            }

            switch (response.Status)
            {
                case >= 200 and < 300:
                    return RobotsRules.Parse(TextDecoding.Utf8(response.Body), GuardedClient.Product);
                case >= 300 and < 400 when response.Location is { } location:
                    address = new Uri(address, location);
                    break;
                case 429 or >= 500:
                    return null;
                default:
                    return RobotsRules.AllowAll;
            }
        }

        return RobotsRules.AllowAll; // more redirects than are followed: as if it were not there
    }

    private static bool IsAboutTheFile(FetchFailure failure) =>
        failure is FetchFailure.BadAnswer or FetchFailure.TooSlow or FetchFailure.TooLarge or FetchFailure.ContentType;
}
