using System.Text.Json.Nodes;

namespace HelixFlow.Cli.Conversation;

/// <summary>Something that answers a conversation: a model in this process, or a server at a URL.</summary>
internal interface IChatSource : IAsyncDisposable
{
    /// <summary>What the user is talking to, for the terminal.</summary>
    string Description { get; }

    /// <summary>Streams the reply to the messages (OpenAI chat format) in pieces.</summary>
    /// <exception cref="ChatSourceException">The request was refused or the connection broke; the message is for the user.</exception>
    IAsyncEnumerable<ReplyPiece> ReplyAsync(JsonArray messages, ChatSettings settings, CancellationToken cancellationToken);
}

/// <summary>A piece of a reply.</summary>
/// <param name="Text">Not empty.</param>
/// <param name="IsReasoning">Whether the model thinks: it is not part of the answer.</param>
internal readonly record struct ReplyPiece(string Text, bool IsReasoning);

/// <summary>How a reply is generated; null leaves it to the model.</summary>
internal sealed record ChatSettings(float? Temperature, float? TopP, int? MaxTokens, long? Seed);

/// <summary>A reply could not be had, with a message for the user.</summary>
internal sealed class ChatSourceException(string message, Exception? innerException = null) : Exception(message, innerException);
