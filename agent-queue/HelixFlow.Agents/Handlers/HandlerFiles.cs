using System.Text;
using System.Text.Json;
using HelixFlow.Agents.Journal;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Handlers;

/// <summary>The files that a handler's program keeps and reads.</summary>
internal sealed class HandlerFiles(Run run, HandlerFolder folder, int mostMb)
{
    // A line has room for it, in base64 too.
    private const long MostInline = 16 << 20;

    private static readonly UTF8Encoding _utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private long Most => (long)mostMb << 20;

    /// <summary>Keeps a file under a name; the result is the answer.</summary>
    public async Task<Action<Utf8JsonWriter>> KeepAsync(HandlerMessage message, CancellationToken cancellationToken)
    {
        string name = message.Text("name");
        if (!Journal.Journal.IsArtifactName(name))
        {
            throw HandlerMessage.Wrong($"'{HandlerMessage.Shortened(name)}' cannot name an artifact: a file name of at most 200 characters is wanted, without folders");
        }

        string type = message.OptionalText("content_type") ?? (message.Optional("text") is null ? "application/octet-stream" : "text/plain; charset=utf-8");
        await using Stream content = ContentOf(message);
        if (content.Length > Most)
        {
            throw new AttemptFailedException(
                new RunError("artifact_too_large", $"The handler's file '{name}' has {content.Length} bytes; its manifest allows {mostMb} MiB ('artifact_mb')."), isFinal: true);
        }

        Artifact kept = await run.ArtifactAsync(name, content, type, Most, cancellationToken).ConfigureAwait(false);
        return json =>
        {
            json.WriteString("type", "kept");
            json.WriteString("name", kept.Name);
            json.WriteString("hash", kept.Hash);
            json.WriteNumber("length", kept.Length);
        };
    }

    /// <summary>Reads a file that the input names by its hash, or that the run or one of its children has made; the result is the answer.</summary>
    /// <param name="message">What the program has said.</param>
    /// <param name="child">The child; null for the run itself.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<Action<Utf8JsonWriter>> ReadAsync(HandlerMessage message, string? child, CancellationToken cancellationToken)
    {
        string form = message.OptionalText("as") ?? "path";
        if (form is not ("path" or "text" or "base64"))
        {
            throw HandlerMessage.Wrong("'as' must be 'path', 'text' or 'base64'");
        }

        string? name = message.OptionalText("name"), hash = message.OptionalText("hash");
        if (name is null == hash is null || (child is not null && name is null))
        {
            throw HandlerMessage.Wrong("it must have either 'name', with or without 'child', or 'hash'");
        }

        Artifact? file = name is null ? null : await run.FindArtifactAsync(child ?? run.Record.Id, name, cancellationToken).ConfigureAwait(false);
        string? found = hash ?? file?.Hash;
        byte[]? content = found is null ? null
            : await run.ReadArtifactAsync(child ?? run.Record.Id, found, form == "path" ? Most : Math.Min(Most, MostInline), cancellationToken).ConfigureAwait(false);
        string? said = content is null ? null : form switch
        {
            "path" => await folder.PutAsync(found!, name ?? found!, content, cancellationToken).ConfigureAwait(false),
            "text" => TextOf(content, name ?? found!),
            _ => Convert.ToBase64String(content),
        };
        return json =>
        {
            json.WriteString("type", "file");
            json.WriteString(name is null ? "hash" : "name", name ?? hash);
            if (child is not null)
            {
                json.WriteString("child", child);
            }

            json.WritePropertyName(form);
            json.WriteStringValue(said); // null: there is none
        };
    }

    private Stream ContentOf(HandlerMessage message)
    {
        string? text = message.OptionalText("text"), base64 = message.OptionalText("base64"), path = message.OptionalText("path");
        switch (text, base64, path)
        {
            case ({ } given, null, null):
                return new MemoryStream(Encoding.UTF8.GetBytes(given), writable: false);
            case (null, { } given, null):
                try
                {
                    return new MemoryStream(Convert.FromBase64String(given), writable: false);
                }
                catch (FormatException)
                {
                    throw HandlerMessage.Wrong("'base64' is no base64");
                }

            case (null, null, { } given):
                return folder.Open(given);
            default:
                throw HandlerMessage.Wrong("an artifact has one of 'text', 'base64' and 'path'");
        }
    }

    private static string TextOf(byte[] content, string name)
    {
        try
        {
            return _utf8.GetString(content);
        }
        catch (DecoderFallbackException exception)
        {
            throw new JobFailedException("invalid_artifact", $"The file '{name}' is no text in UTF-8; read it as a path or as base64.", exception);
        }
    }
}
