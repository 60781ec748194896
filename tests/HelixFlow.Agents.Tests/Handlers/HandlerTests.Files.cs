using System.Text;
using HelixFlow.Agents.Journal;

namespace HelixFlow.Agents.Tests.Handlers;

public sealed partial class HandlerTests
{
    [Fact]
    public async Task A_program_keeps_files_as_text_as_base64_and_from_its_folder_which_is_gone_afterwards()
    {
        await using var host = new AgentHost();
        Python("keep", Talk + """
            folder = pathlib.Path(job["folder"])
            (folder / "sub").mkdir()
            (folder / "sub" / "table.csv").write_bytes(b"a,b\n" * 1_000_000)
            (folder / "empty").touch()
            said = []
            for message in (dict(name="note.txt", text="häh"), dict(name="image.png", base64=base64.b64encode(b"\x89PNG\xff").decode(), content_type="image/png"),
                            dict(name="table.csv", path="sub/table.csv", content_type="text/csv"), dict(name="whole", path=str(folder / "sub" / "table.csv")), dict(name="empty", path="empty")):
                say(type="artifact", **message)
                said.append(hear())
            open("folder", "w").write(job["folder"])
            say(type="result", output=[[kept["type"], kept["name"], kept["length"]] for kept in said])
            """);
        await using Started worker = Start(host);
        string id = await host.RequestAsync("keep");

        Assert.Equal("""[["kept","note.txt",4],["kept","image.png",5],["kept","table.csv",4000000],["kept","whole",4000000],["kept","empty",0]]""", await SucceedAsync(host, id));
        List<Artifact> kept = await host.Journal.ArtifactsAsync("p", id, Token);
        Assert.Equal(
            ["empty application/octet-stream", "image.png image/png", "note.txt text/plain; charset=utf-8", "table.csv text/csv", "whole application/octet-stream"],
            kept.Select(static file => $"{file.Name} {file.ContentType}"));
        Assert.Equal("häh", Encoding.UTF8.GetString(await host.Journal.ReadAsync(kept[2].Hash, Token)));
        Assert.Equal([0x89, .. "PNG"u8, 0xff], await host.Journal.ReadAsync(kept[1].Hash, Token));
        Assert.False(Directory.Exists(await ReadAsync("folder")));
        await Journal.Ledger.CheckAsync(host.Database, Token);
    }

    [Fact]
    public async Task A_program_reads_files_of_its_input_of_its_own_and_of_the_jobs_that_it_had_done()
    {
        await using var host = new AgentHost();
        Python("reader", Talk + """
            def read(**what):
                say(type="read", **what)
                return hear()
            say(type="start", address="c", jobs=[{"type": "maker"}])
            child = hear()["ids"][0]
            say(type="wait", address="c"); hear()
            say(type="artifact", name="own.txt", text="own"); hear()
            given = read(hash=job["input"]["file"]["artifact"])
            made = read(name="made.txt", child=child)
            assert made["path"].startswith(job["folder"]) and made["path"].endswith("/made.txt") and made["child"] == child, made
            say(type="result", output=[
                pathlib.Path(given["path"]).read_text(), pathlib.Path(made["path"]).read_text(), read(name="made.txt", child=child, **{"as": "base64"})["base64"],
                read(name="own.txt", **{"as": "text"})["text"], read(name="none.txt", **{"as": "text"})["text"], read(name="own.txt", child=child)["path"]])
            """);
        Python("maker", Talk + "say(type='artifact', name='made.txt', text='made'); hear(); say(type='result', output=None)");
        await using Started worker = Start(host);
        Artifact given = await host.Journal.UploadAsync("p", new MemoryStream("given"u8.ToArray()), "text/plain", 1000, Token);
        string id = await host.RequestAsync("reader", $$$"""{"file":{"artifact":"{{{given.Hash}}}"}}""");

        Assert.Equal("""["given","made","bWFkZQ==","own",null,null]""", await SucceedAsync(host, id));
    }

    [Fact]
    public async Task A_file_is_kept_once_however_often_the_program_runs()
    {
        await using var host = new AgentHost();
        Python("again", Talk + """
            say(type="artifact", name="a.txt", text="same"); hear()
            if job["attempt"] == 1: os.kill(os.getpid(), signal.SIGKILL)
            say(type="artifact", name="b.txt", text=job["input"] and str(job["attempt"])); hear()
            if job["attempt"] == 2: os.kill(os.getpid(), signal.SIGKILL)
            say(type="result", output=1)
            """);
        await using Started worker = Start(host);
        string same = await host.RequestAsync("again", "\"\"", Quick), changed = await host.RequestAsync("again", "true", Quick);

        Assert.Equal("1", await SucceedAsync(host, same));
        Assert.Equal(2, (await EventsAsync(host, same)).OfType<JournalEvent.ArtifactStored>().Count());
        Assert.Equal((RunState.Dead, "replay_mismatch"), ((await host.UntilEndedAsync(changed)).State, (await host.GetAsync(changed)).Error!.Code)); // a file that had another content before
    }

    [Theory]
    [InlineData("../secret", "invalid_artifact")]
    [InlineData("sub/../../secret", "invalid_artifact")]
    [InlineData("SECRET", "invalid_artifact")]
    [InlineData("/etc/passwd", "invalid_artifact")]
    [InlineData("link", "invalid_artifact")]
    [InlineData("linked/secret", "invalid_artifact")]
    [InlineData("sub", "invalid_artifact")]
    [InlineData("none", "invalid_artifact")]
    [InlineData(".", "invalid_artifact")]
    [InlineData("", "invalid_artifact")]
    [InlineData("a\\u0000b", "invalid_artifact")]
    [InlineData("large", "artifact_too_large")]
    public async Task A_file_that_is_not_in_the_folder_or_too_large_is_not_kept(string path, string code)
    {
        await using var host = new AgentHost();
        await File.WriteAllTextAsync(Path.Combine(_folder, "secret"), "secret", Token);
        Python("escape", Talk + """
            folder, outside = job["folder"], os.getcwd()
            os.mkdir(folder + "/sub")
            os.symlink(outside + "/secret", folder + "/link")
            os.symlink(outside, folder + "/linked")
            open(folder + "/large", "wb").truncate((1 << 20) + 1)
            say(type="artifact", name="a.txt", path=job["input"].replace("SECRET", outside + "/secret"))
            sys.stdin.read()
            """, manifest => manifest["artifact_mb"] = 1);
        await using Started worker = Start(host);
        string id = await host.RequestAsync("escape", $"\"{path}\"", Quick);

        RunRecord run = await host.UntilEndedAsync(id);
        Assert.Equal((RunState.Dead, 1, code), (run.State, run.Attempt, run.Error!.Code)); // final: it would be the same again
        Assert.Empty(await host.Journal.ArtifactsAsync("p", id, Token));
    }

    [Fact]
    public async Task A_pipe_in_the_folder_is_an_empty_file_and_nobody_waits_for_its_writer()
    {
        await using var host = new AgentHost();
        Python("pipe", Talk + "os.mkfifo(job['folder'] + '/pipe'); say(type='artifact', name='a', path='pipe'); say(type='result', output=hear()['length'])");
        await using Started worker = Start(host);

        Assert.Equal("0", await SucceedAsync(host, await host.RequestAsync("pipe")));
    }

    [Fact]
    public async Task A_file_that_is_larger_than_the_manifest_allows_is_not_read()
    {
        await using var host = new AgentHost();
        Python("greedy", Talk + "say(type='read', hash=job['input']['artifact']); say(type='result', output=hear())", manifest => manifest["artifact_mb"] = 1);
        await using Started worker = Start(host);
        Artifact given = await host.Journal.UploadAsync("p", new MemoryStream(new byte[(1 << 20) + 1]), "application/octet-stream", 2 << 20, Token);
        RunRecord run = await host.UntilEndedAsync(await host.RequestAsync("greedy", $$"""{"artifact":"{{given.Hash}}"}"""));

        Assert.Equal((RunState.Dead, "artifact_too_large"), (run.State, run.Error!.Code));
    }
}
