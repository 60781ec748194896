using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Handlers;

/// <summary>A folder of its own for each attempt at a job, for the files that its program makes and gets. Gone when the attempt ends.</summary>
/// <remarks>
/// The program is the worker's own user and may read what that may. That a path leads out of the folder is refused for another reason: it may come from a job's
/// input, and a file of the machine must not become an artifact by that.
/// </remarks>
internal sealed class HandlerFolder : IDisposable
{
    /// <summary>Where it is.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("helixflow-job-").FullName;

    /// <summary>Opens a file that the program has made.</summary>
    /// <param name="path">Its path in the folder, or the whole path.</param>
    /// <exception cref="AttemptFailedException">There is no such file, or the path leads out of the folder.</exception>
    public Stream Open(string path)
    {
        string full = path.Contains('\0') ? "" : System.IO.Path.GetFullPath(path, Path);
        if (!full.StartsWith(Path + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw Wrong($"'{HandlerMessage.Shortened(path)}' is not in the job's folder");
        }

        for (string at = full; at.Length > Path.Length; at = System.IO.Path.GetDirectoryName(at)!)
        {
            if (new FileInfo(at).LinkTarget is not null)
            {
                throw Wrong($"'{HandlerMessage.Shortened(path)}' leads over a symbolic link");
            }
        }

        var file = new FileInfo(full);
        try
        {
            return !file.Exists ? throw Wrong($"there is no file '{HandlerMessage.Shortened(path)}' in the job's folder")
                : file.Length == 0 ? Stream.Null // not opened: a pipe looks like an empty file, and would wait for its writer
                : new FileStream(full, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Wrong($"'{HandlerMessage.Shortened(path)}' cannot be read: {exception.Message}");
        }
    }

    /// <summary>Puts a file into the folder for the program to read; the result is where it is.</summary>
    /// <param name="hash">Of the content: files of the same name differ in it.</param>
    /// <param name="name">A file name, so that the program finds the ending that it knows.</param>
    /// <param name="content">What it holds.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<string> PutAsync(string hash, string name, byte[] content, CancellationToken cancellationToken)
    {
        string path = System.IO.Path.Combine(Path, "read", hash, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        await File.WriteAllBytesAsync(path, content, cancellationToken).ConfigureAwait(false);
        return path;
    }

    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // What a program has taken its own rights from stays behind in the folder of temporary files.
        }
    }

    private static AttemptFailedException Wrong(string what) => new(new RunError("invalid_artifact", $"The handler's file cannot be kept: {what}."), isFinal: true);
}
