using System.Net;

namespace HelixFlow.Cli.Pull;

/// <summary>The two endpoints of a Hugging Face hub (or mirror) that a pull needs.</summary>
internal sealed class HubClient(PullHttp http, RetryPolicy retry, Uri endpoint)
{
    // The listing of the largest repositories is about a megabyte.
    private const int MaxListingBytes = 32 << 20;

    /// <exception cref="PullException">The repository cannot be listed.</exception>
    public Task<HubListing> ListAsync(string repository, string revision, CancellationToken stopping)
    {
        Uri url = Address($"api/models/{repository}/revision/{Uri.EscapeDataString(revision)}?blobs=true");
        return retry.RunAsync(
            async () =>
            {
                using HttpResponseMessage response = await http.GetAsync(url, range: null, validator: null, stopping);
                if (response.StatusCode != HttpStatusCode.OK)
                {
                    throw new PullException($"{PullHttp.Shown(url)} answered {(int)response.StatusCode}");
                }

                var body = new MemoryStream();
                await foreach (ReadOnlyMemory<byte> chunk in RangeSource.ReadAsync(response, retry.StallTimeout, 64 << 10, stopping))
                {
                    if (body.Length + chunk.Length > MaxListingBytes)
                    {
                        throw new PullException($"{PullHttp.Shown(url)} answered with more than {MaxListingBytes} bytes");
                    }

                    body.Write(chunk.Span);
                }

                return HubListing.Parse(body.GetBuffer().AsMemory(0, (int)body.Length), revision);
            },
            static () => false,
            stopping);
    }

    public Uri FileAddress(string repository, string commit, string path) =>
        Address($"{repository}/resolve/{Uri.EscapeDataString(commit)}/{string.Join('/', path.Split('/').Select(Uri.EscapeDataString))}");

    private Uri Address(string relative) => new(endpoint.AbsoluteUri.TrimEnd('/') + "/" + relative);
}
