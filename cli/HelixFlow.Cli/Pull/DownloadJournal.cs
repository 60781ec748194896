using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace HelixFlow.Cli.Pull;

/// <summary>Which bytes of a partial file are on disk, kept beside it so that a killed download resumes.</summary>
/// <remarks>
/// The file is cut into pieces; each is filled front to back by one connection, so one number a piece says all. What is written down is
/// always behind what is on disk: the data is flushed before the journal, and the journal is replaced by renaming. Thread-safe.
/// </remarks>
internal sealed class DownloadJournal
{
    private readonly Lock _gate = new();
    private readonly string _path;
    private readonly Content _content;
    private readonly bool[] _claimed;
    private long _unsaved;

    private DownloadJournal(string path, Content content)
    {
        _path = path;
        _content = content;
        _claimed = new bool[content.Done.Length];
    }

    public long SizeBytes => _content.SizeBytes;

    /// <summary>The server's ETag, or its Last-Modified when it has none.</summary>
    public string? Version => _content.Version;

    public EntityTagHeaderValue? EntityTag =>
        EntityTagHeaderValue.TryParse(_content.Version, out EntityTagHeaderValue? tag) ? tag : null;

    public long DoneBytes
    {
        get
        {
            lock (_gate)
            {
                return _content.Done.Sum();
            }
        }
    }

    public static DownloadJournal Create(string path, long sizeBytes, string? version, long pieceBytes)
    {
        long pieces = (sizeBytes + pieceBytes - 1) / pieceBytes;
        return new DownloadJournal(path, new Content(sizeBytes, version, pieceBytes, new long[pieces]));
    }

    /// <summary>The journal of an earlier run; null when there is none, or it does not fit the partial file.</summary>
    public static DownloadJournal? Load(string path, string partialPath, long? expectedSize)
    {
        try
        {
            Content? content = JsonSerializer.Deserialize<Content>(File.ReadAllBytes(path));
            return content is not null && content.IsConsistent && new FileInfo(partialPath) is { Exists: true } partial
                && partial.Length == content.SizeBytes && (expectedSize ?? content.SizeBytes) == content.SizeBytes
                ? new DownloadJournal(path, content)
                : null;
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Takes an unfinished piece for the caller alone.</summary>
    public bool TryClaim(out int piece)
    {
        lock (_gate)
        {
            for (piece = 0; piece < _claimed.Length; piece++)
            {
                if (!_claimed[piece] && Missing(piece).Length > 0)
                {
                    return _claimed[piece] = true;
                }
            }

            return false;
        }
    }

    /// <summary>What the piece still lacks; only its claimant may ask while the download runs.</summary>
    public ByteRange Missing(int piece)
    {
        long start = piece * _content.PieceBytes;
        return new ByteRange(start + _content.Done[piece], Math.Min(start + _content.PieceBytes, _content.SizeBytes));
    }

    /// <summary>Records that the next bytes of a piece were written to the file, and saves from time to time.</summary>
    public void Advance(int piece, long bytes, SafeFileHandle file, long saveEveryBytes)
    {
        lock (_gate)
        {
            _content.Done[piece] += bytes;
            _unsaved += bytes;
            if (_unsaved >= saveEveryBytes)
            {
                Save_NeedsLock(file);
            }
        }
    }

    public void Save(SafeFileHandle file)
    {
        lock (_gate)
        {
            Save_NeedsLock(file);
        }
    }

    private void Save_NeedsLock(SafeFileHandle file)
    {
        RandomAccess.FlushToDisk(file);
        string temporary = _path + ".new";
        using (FileStream stream = File.Create(temporary))
        {
            JsonSerializer.Serialize(stream, _content);
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, _path, overwrite: true);
        _unsaved = 0;
    }

    private sealed record Content(long SizeBytes, string? Version, long PieceBytes, long[] Done)
    {
        public bool IsConsistent
        {
            get
            {
                if (SizeBytes < 0 || PieceBytes <= 0 || Done is null
                    || Done.Length != (SizeBytes / PieceBytes) + (SizeBytes % PieceBytes > 0 ? 1 : 0))
                {
                    return false;
                }

                for (int i = 0; i < Done.Length; i++)
                {
                    if (Done[i] < 0 || Done[i] > Math.Min(PieceBytes, SizeBytes - (i * PieceBytes)))
                    {
                        return false;
                    }
                }

                return true;
            }
        }
    }
}
