using System.Globalization;
using System.Text;
using HelixFlow.Agents.Fetching;
using HelixFlow.Agents.Searching;
using HelixFlow.Agents.Tests.Fetching;
using HelixFlow.Agents.Texts;
using HelixFlow.Schemas;
using HelixFlow.Storage;

namespace HelixFlow.Agents.Tests.Searching;

public sealed class FolderSearchTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-folder-").FullName;
    private readonly string _state = Directory.CreateTempSubdirectory("helixflow-folder-").FullName;
    private readonly ManualTime _time = new();
    private SqliteDatabase _database;

    public FolderSearchTests() => _database = Open();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_page_that_speaks_of_it_comes_first()
    {
        Write("foxes.md", "# Foxes\n\nThe red fox hunts at night and sleeps in its den.");
        Write("sub/dogs.html", "<title>Dogs &amp; wolves</title><p>A dog barks at night. A dog barks at a fox.");
        Write("empty.txt", "");
        Write("rest.txt", "Nothing of interest is said in this text about animals of any kind.");
        using FolderSearch search = New();

        Assert.Equal([("local:foxes.md", "Foxes"), ("local:sub/dogs.html", "Dogs & wolves")], Pages(await FindAsync(search, "Where do FOXES or a fox den?")));
        Assert.Equal("local:sub/dogs.html", (await FindAsync(search, "wolves"))[0].Url); // in its title alone
        Assert.Empty(await FindAsync(search, "zebra"));
        Assert.Empty(await FindAsync(search, "?!"));
        Assert.Equal("# Foxes\n\nThe red fox hunts at night and sleeps in its den.", (await search.ReadAsync("local:foxes.md", Token)).Page!.Text);
        Assert.Equal(FetchFailure.Empty, (await search.ReadAsync("local:empty.txt", Token)).Failure);
    }

    [Fact]
    public async Task Scores_are_those_of_our_own_ranking_of_passages()
    {
        // SQLite's bm25() is the witness of Bm25, over texts whose titles are empty.
        var random = new Random(12);
        string[] vocabulary = [.. Enumerable.Range(0, 40).Select(static i => $"word{i}")];
        string[] texts = [.. Enumerable.Range(0, 200).Select(_ => string.Join(' ', Enumerable.Range(0, random.Next(1, 80)).Select(_ => vocabulary[(int)(vocabulary.Length * random.NextDouble() * random.NextDouble())])))];
        await _database.WriteAsync(
            session =>
            {
                for (int i = 0; i < texts.Length; i++)
                {
                    session.Execute("insert into page_words (rowid, title, words) values ($1, '', $2)", i, texts[i]);
                }
            },
            Token);
        var ranking = new Bm25(texts);
        for (int round = 0; round < 50; round++)
        {
            string[] words = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => vocabulary[random.Next(vocabulary.Length)]).Distinct()];
            Dictionary<long, double> expected = (await _database.ReadAsync(
                session => session.Query(
                    "select rowid, bm25(page_words) from page_words where page_words match $1", static row => (row.GetInt64(0), -row.GetDouble(1)), string.Join(" OR ", words)), Token))
                .ToDictionary(static row => row.Item1, static row => row.Item2);
            double[] scores = ranking.Scores(string.Join(' ', words));
            for (int i = 0; i < texts.Length; i++)
            {
                Assert.Equal(expected.GetValueOrDefault(i), scores[i], 1e-9);
            }
        }
    }

    [Fact]
    public async Task Only_what_has_changed_is_indexed_anew_also_after_a_restart()
    {
        Write("a.txt", "apples");
        Write("b.txt", "bananas");
        using FolderSearch first = New();
        await first.RefreshAsync(Token);
        Assert.Equal(2, first.Indexed);
        await _database.DisposeAsync();
        _database = Open();
        using FolderSearch search = New();
        await search.RefreshAsync(Token);
        Assert.Equal(0, search.Indexed);

        File.SetLastWriteTimeUtc(Path.Combine(_folder, "a.txt"), new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc)); // the same content
        Write("b.txt", "cherries");
        Write("c.txt", "dates");
        Assert.Single(await FindAsync(search, "bananas")); // fresh enough
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(await FindAsync(search, "bananas"));
        Assert.Equal(2, search.Indexed);
        File.Delete(Path.Combine(_folder, "a.txt"));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(await FindAsync(search, "apples"));
        Assert.Equal("local:c.txt", Assert.Single(await FindAsync(search, "dates")).Url);
        Assert.Equal(FetchFailure.Unreachable, (await search.ReadAsync("local:a.txt", Token)).Failure);
    }

    [Fact]
    public async Task Nothing_outside_the_folder_is_found_or_read()
    {
        string secret = Path.Combine(_state, "secret.txt");
        await File.WriteAllTextAsync(secret, "topsecret", Token);
        Write("open.txt", "open");
        Write(".hidden/x.txt", "topsecret");
        Write(".hidden.txt", "topsecret");
        Write("program.exe", "topsecret");
        Write("large.txt", "topsecret " + new string('x', 5 << 20));
        File.CreateSymbolicLink(Path.Combine(_folder, "link.txt"), secret);
        Directory.CreateSymbolicLink(Path.Combine(_folder, "links"), _state);
        using FolderSearch search = New();

        Assert.Empty(await FindAsync(search, "topsecret"));
        Assert.Single(await FindAsync(search, "open"));
        foreach (string path in (string[])["../" + Path.GetFileName(_state) + "/secret.txt", secret, "link.txt", "links/secret.txt", ".hidden.txt", "./open.txt", "", "open.txt\0"])
        {
            Assert.Equal(FetchFailure.Unreachable, (await search.ReadAsync("local:" + path, Token)).Failure);
        }
    }

    [Fact]
    public async Task Questions_with_signs_of_the_query_language_are_words()
    {
        Write("a.txt", "near not and or");
        using FolderSearch search = New();
        var random = new Random(4);
        string[] pieces = ["NEAR", "(", ")", "\"", "*", "AND", "NOT", "-", "^", ":", "title:", " ", "+", "{", "}", "'", ";", "東", "\0", "or"];
        for (int round = 0; round < 300; round++)
        {
            string question = string.Concat(Enumerable.Range(0, random.Next(0, 12)).Select(_ => pieces[random.Next(pieces.Length)]));
            IReadOnlyList<SearchHit> hits = await FindAsync(search, question);
            Assert.Equal(Words.Of(question).Any(static word => word is "near" or "not" or "and" or "or"), hits.Count == 1);
        }
    }

    [Fact]
    public async Task Text_without_spaces_is_found_by_a_part_of_it()
    {
        Write("jp.txt", "東京都は日本の首都です。");
        Write("fr.txt", "Un résumé de l'été");
        using FolderSearch search = New();

        Assert.Equal("local:jp.txt", Assert.Single(await FindAsync(search, "首都はどこ")).Url);
        Assert.Equal("local:fr.txt", Assert.Single(await FindAsync(search, "resume ete")).Url); // accents do not matter
    }

    [Fact]
    public async Task A_folder_that_is_not_there_is_said()
    {
        using var search = new FolderSearch(_database, new FolderOptions { Folder = Path.Combine(_folder, "none") }, _time);

        await Assert.ThrowsAsync<SearchException>(() => FindAsync(search, "x"));
    }

    [Fact]
    public async Task No_more_files_than_allowed_are_indexed()
    {
        for (int i = 0; i < 10; i++)
        {
            Write(string.Create(CultureInfo.InvariantCulture, $"{i}.txt"), "same");
        }

        using var search = new FolderSearch(_database, new FolderOptions { Folder = _folder, MaxFiles = 4 }, _time);
        Assert.Equal(["local:0.txt", "local:1.txt", "local:2.txt", "local:3.txt"], (await FindAsync(search, "same")).Select(static hit => hit.Url));
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
        Directory.Delete(_state, recursive: true);
    }

    private static IEnumerable<(string, string)> Pages(IReadOnlyList<SearchHit> hits) => hits.Select(static hit => (hit.Url, hit.Title));

    private static Task<IReadOnlyList<SearchHit>> FindAsync(FolderSearch search, string text) => search.SearchAsync(new SearchQuery(text, 10, null), Token);

    private SqliteDatabase Open() => SqliteDatabase.Open(Path.Combine(_state, "research.db"), SchemaScript.Embedded(typeof(IInferencePool).Assembly, "sql/sqlite/research"));

    private FolderSearch New() => new(_database, new FolderOptions { Folder = _folder }, _time);

    private void Write(string path, string text)
    {
        string file = Path.Combine(_folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text, Encoding.UTF8);
    }
}
