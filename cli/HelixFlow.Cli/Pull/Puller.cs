using HelixFlow.Cli.Store;

namespace HelixFlow.Cli.Pull;

/// <summary>Fetches a model into the store: plan, download beside the store's models, verify, move into place.</summary>
/// <remarks>
/// Files gather in DATA/models/.pull-NAME, which a listing does not show, and become visible by one rename when all of them are verified.
/// Whatever ends a pull early leaves that folder for the next one to resume.
/// </remarks>
internal sealed class Puller(
    PullRequest request, PullHttp http, RetryPolicy retry, DownloadOptions download, Func<string, long>? freeBytes = null)
{
    private const string OriginFile = ".origin";

    private readonly ModelStore _store = new(request.DataFolder);

    /// <exception cref="PullException">The source cannot be used.</exception>
    public async Task<PullPlan> PlanAsync(CancellationToken stopping)
    {
        if (request.Sha256 is { } sha256 && !ContentHash.IsSha256(sha256))
        {
            throw new PullException($"--sha256 takes 64 hexadecimal digits, not '{sha256}'");
        }

        var source = PullSource.Parse(request.Source);
        PullPlan plan = source.Url is { } url ? PlanUrl(url) : await PlanRepositoryAsync(source, stopping);
        if (!ModelName.IsValid(plan.Name))
        {
            throw new PullException($"'{plan.Name}' cannot name a model ({ModelName.Rule}); choose a name with --name");
        }

        return plan;
    }

    /// <summary>Whether the store already has the model, with the sizes the plan knows.</summary>
    /// <exception cref="PullException">It has another model of that name.</exception>
    public bool IsStored(PullPlan plan)
    {
        if (_store.FindByName(plan.Name) is not { } stored)
        {
            return false;
        }

        bool same = stored.Kind == plan.Kind && plan.Files.All(f =>
            new FileInfo(plan.Kind == ModelKind.Gguf ? stored.Path : Path.Combine(stored.Path, f.Name)) is { Exists: true } file
            && file.Length == (f.SizeBytes ?? file.Length));
        return same
            ? true
            : throw new PullException(
                $"the store has another model '{plan.Name}'; remove it (helixflow models remove {plan.Name}) or choose a name with --name");
    }

    /// <summary>Downloads, verifies and stores the model.</summary>
    /// <exception cref="PullException">It cannot be had.</exception>
    public async Task<ModelLocation> RunAsync(PullPlan plan, DownloadMeter meter, CancellationToken stopping)
    {
        string staging = PrepareStaging(plan);
        DiskSpace space = freeBytes is null ? new DiskSpace(staging) : new DiskSpace(staging, freeBytes);
        space.Require(plan.Name, plan.KnownBytes - BytesIn(staging, plan));
        meter.Expect(plan.KnownBytes);
        var file = new FileDownload(http, retry, download, space, meter);
        foreach (RemoteFile remote in plan.Files)
        {
            string target = Path.Combine(staging, remote.Name);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!); // some lie in folders
            await file.RunAsync(remote, target, stopping);
        }

        return Publish(plan, staging);
    }

    private PullPlan PlanUrl(Uri address)
    {
        Uri url = FileAddressOf(address);
        string name = Uri.UnescapeDataString(url.Segments[^1]);
        if (!name.EndsWith(ModelStore.GgufExtension, StringComparison.OrdinalIgnoreCase) || name.AsSpan().IndexOfAny("/\\:\0") >= 0)
        {
            throw new PullException(
                $"{PullHttp.Shown(url)} is not a .gguf file; a model of several files is pulled from a repository, as owner/name");
        }

        string model = request.Name ?? name[..^ModelStore.GgufExtension.Length];
        return new PullPlan(
            model, ModelKind.Gguf, url.AbsoluteUri, [new RemoteFile(model + ModelStore.GgufExtension, url, null, ExpectedSha256(null))]);
    }

    /// <summary>A hub shows a page at .../blob/... and has the file itself at .../resolve/...; people paste the former.</summary>
    private Uri FileAddressOf(Uri address) =>
        address.Authority == request.Endpoint.Authority && address.Segments is [var root, var owner, var name, "blob/", .. var file]
            ? new UriBuilder(address) { Path = root + owner + name + "resolve/" + string.Concat(file) }.Uri
            : address;

    private async Task<PullPlan> PlanRepositoryAsync(PullSource source, CancellationToken stopping)
    {
        string repository = source.Repository!;
        (string? pattern, string? quantisation) = (request.File, request.Quantisation);
        if (source.Selector is { } selector)
        {
            bool namesFile = selector.EndsWith(ModelStore.GgufExtension, StringComparison.OrdinalIgnoreCase)
                || selector.AsSpan().IndexOfAny('*', '?') >= 0;
            (pattern, quantisation) = namesFile ? (pattern ?? selector, quantisation) : (pattern, quantisation ?? selector);
        }

        var hub = new HubClient(http, retry, request.Endpoint);
        HubListing listing = await hub.ListAsync(repository, request.Revision, stopping);
        IReadOnlyList<HubFile> chosen = FileChoice.Choose(listing.Files, pattern, quantisation);
        bool isGguf = chosen is [{ } single] && single.Path.EndsWith(ModelStore.GgufExtension, StringComparison.OrdinalIgnoreCase);
        if (request.Sha256 is not null && !isGguf)
        {
            throw new PullException(
                $"--sha256 is for a single file, but the model has {chosen.Count}; the hub's own digests are always checked");
        }

        string name = request.Name ?? (isGguf
            ? FileChoice.NameOf(chosen[0].Path)[..^ModelStore.GgufExtension.Length]
            : repository[(repository.IndexOf('/', StringComparison.Ordinal) + 1)..]);
        List<RemoteFile> files = [.. chosen.Select(f => new RemoteFile(
            isGguf ? name + ModelStore.GgufExtension : f.Path,
            hub.FileAddress(repository, listing.Commit, f.Path),
            f.SizeBytes,
            ExpectedSha256(f.Hash)))];
        string origin = $"{request.Endpoint.AbsoluteUri.TrimEnd('/')}/{repository}@{listing.Commit}";
        return new PullPlan(name, isGguf ? ModelKind.Gguf : ModelKind.Safetensors, isGguf ? $"{origin}/{chosen[0].Path}" : origin, files);
    }

    private ContentHash? ExpectedSha256(ContentHash? listed) =>
        request.Sha256 is { } sha256 ? new ContentHash(HashKind.Sha256, sha256.ToLowerInvariant()) : listed;

    /// <summary>The folder for the download, with what an earlier pull of the same origin left.</summary>
    private string PrepareStaging(PullPlan plan)
    {
        string staging = Path.Combine(_store.Folder, $".pull-{plan.Name}");
        string originPath = Path.Combine(staging, OriginFile);
        if (Directory.Exists(staging) && (!File.Exists(originPath) || File.ReadAllText(originPath) != plan.Origin))
        {
            Directory.Delete(staging, recursive: true);
        }

        Directory.CreateDirectory(staging);
        File.WriteAllText(originPath, plan.Origin);
        return staging;
    }

    private static long BytesIn(string staging, PullPlan plan) => plan.Files.Sum(f =>
    {
        string target = Path.Combine(staging, f.Name);
        return File.Exists(target)
            ? new FileInfo(target).Length
            : DownloadJournal.Load(target + ".part.json", target + ".part", f.SizeBytes)?.DoneBytes ?? 0;
    });

    private ModelLocation Publish(PullPlan plan, string staging)
    {
        if (plan.Kind == ModelKind.Safetensors)
        {
            string folder = Path.Combine(_store.Folder, plan.Name);
            Directory.Move(staging, folder);
            return new ModelLocation(plan.Name, folder, plan.Kind);
        }

        string downloaded = Path.Combine(staging, plan.Files[0].Name);
        RefuseForeignContent(downloaded);
        string target = Path.Combine(_store.Folder, plan.Files[0].Name);
        File.Move(downloaded, target);
        Directory.Delete(staging, recursive: true);
        return new ModelLocation(plan.Name, target, plan.Kind);
    }

    /// <summary>A wrong address often answers with a web page.</summary>
    private static void RefuseForeignContent(string path)
    {
        Span<byte> magic = stackalloc byte[4];
        using (FileStream stream = File.OpenRead(path))
        {
            if (stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("GGUF"u8))
            {
                return;
            }
        }

        File.Delete(path);
        throw new PullException(
            "what the server sent is not a GGUF file; the download was deleted. Check the address: it must lead to the file itself");
    }
}
