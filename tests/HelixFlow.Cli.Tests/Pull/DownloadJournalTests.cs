using System.Text;
using HelixFlow.Cli.Pull;
using HelixFlow.TestKit.Formats;
using Microsoft.Win32.SafeHandles;

namespace HelixFlow.Cli.Tests.Pull;

public sealed class DownloadJournalTests : IDisposable
{
    private const int Size = 2500;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Saved_journal_knows_what_is_missing()
    {
        Save();

        DownloadJournal loaded = Load()!;

        Assert.Equal(Size, loaded.SizeBytes);
        Assert.Equal("\"tag\"", loaded.Version);
        Assert.Equal(1300, loaded.DoneBytes);
        Assert.True(loaded.TryClaim(out int piece));
        Assert.Equal((1, new ByteRange(1300, 2000)), (piece, loaded.Missing(piece)));
        Assert.True(loaded.TryClaim(out piece));
        Assert.Equal((2, new ByteRange(2000, 2500)), (piece, loaded.Missing(piece)));
        Assert.False(loaded.TryClaim(out _));
    }

    [Fact]
    public void Journal_that_does_not_fit_the_partial_file_is_ignored()
    {
        Save();
        Assert.Null(DownloadJournal.Load(_folder["journal"], _folder["part"], Size + 1));
        File.WriteAllBytes(_folder["part"], new byte[Size - 1]);
        Assert.Null(Load());
        File.Delete(_folder["part"]);
        Assert.Null(Load());
    }

    [Fact]
    public void Damaged_journals_are_ignored_or_consistent()
    {
        Save();
        byte[] valid = File.ReadAllBytes(_folder["journal"]);
        var random = new Random(30);
        int ignored = 0;
        for (int round = 0; round < 1000; round++)
        {
            byte[] damaged = [.. valid];
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                damaged[random.Next(damaged.Length)] = (byte)"0123456789-,[]{}\"ex"[random.Next(19)];
            }

            File.WriteAllBytes(_folder["journal"], random.Next(4) == 0 ? damaged[..random.Next(damaged.Length)] : damaged);
            DownloadJournal? loaded = Load();
            if (loaded is null)
            {
                ignored++;
                continue;
            }

            Assert.InRange(loaded.DoneBytes, 0, Size);
            while (loaded.TryClaim(out int piece))
            {
                ByteRange missing = loaded.Missing(piece);
                Assert.True(
                    missing.From >= 0 && missing.From < missing.To && missing.To <= Size,
                    $"seed 30, round {round}: {Encoding.UTF8.GetString(damaged)}");
            }
        }

        Assert.InRange(ignored, 100, 999);
    }

    private DownloadJournal? Load() => DownloadJournal.Load(_folder["journal"], _folder["part"], Size);

    private void Save()
    {
        using SafeFileHandle file = File.OpenHandle(_folder["part"], FileMode.Create, FileAccess.Write);
        RandomAccess.SetLength(file, Size);
        var journal = DownloadJournal.Create(_folder["journal"], Size, "\"tag\"", pieceBytes: 1000);
        journal.Advance(0, 1000, file, long.MaxValue);
        journal.Advance(1, 300, file, long.MaxValue);
        journal.Save(file);
    }
}
