using HelixFlow.Cli.Conversation;

namespace HelixFlow.Cli.Commands;

/// <summary>Writes a reply as it comes; what the model thinks is dimmed, and a line apart from the answer.</summary>
/// <param name="answer">Where the answer goes.</param>
/// <param name="reasoning">Where reasoning goes; null hides it.</param>
/// <param name="isDimmed">Whether that is a terminal that shows colours.</param>
internal sealed class ReplyOutput(TextWriter answer, TextWriter? reasoning, bool isDimmed)
{
    private const string Dim = "\u001b[2m";
    private const string Normal = "\u001b[0m";

    private bool _isReasoning;

    public async Task WriteAsync(ReplyPiece piece, CancellationToken cancellationToken)
    {
        if (piece.IsReasoning)
        {
            if (reasoning is not null)
            {
                await reasoning.WriteAsync((!_isReasoning && isDimmed ? Dim : "") + piece.Text);
                await reasoning.FlushAsync(cancellationToken);
                _isReasoning = true;
            }

            return;
        }

        await EndReasoningAsync();
        await answer.WriteAsync(piece.Text);
        await answer.FlushAsync(cancellationToken);
    }

    /// <summary>The reply is over, if only because it was stopped.</summary>
    public async Task EndAsync()
    {
        await EndReasoningAsync();
        await answer.WriteLineAsync();
    }

    private async Task EndReasoningAsync()
    {
        if (_isReasoning)
        {
            await reasoning!.WriteLineAsync((isDimmed ? Normal : "") + Environment.NewLine);
            _isReasoning = false;
        }
    }
}
