namespace HelixFlow.Engine.Tokenization;

/// <summary>A token that is found in the text before any splitting, such as <c>&lt;|im_start|&gt;</c>.</summary>
/// <param name="Id">The id it becomes.</param>
/// <param name="Text">What is looked for, never empty.</param>
/// <param name="Special">Only recognised when the caller asks for special tokens, and skipped by decoding on request.</param>
/// <param name="StripLeft">White space before it belongs to it.</param>
/// <param name="StripRight">White space after it belongs to it.</param>
/// <param name="SingleWord">Not recognised next to a letter, digit or underscore.</param>
/// <param name="Normalized">Looked for in the normalised text instead of the raw text.</param>
internal sealed record AddedToken(
    int Id, string Text, bool Special, bool StripLeft, bool StripRight, bool SingleWord, bool Normalized);
