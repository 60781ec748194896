namespace HelixFlow.Agents.JobTypes.Passages;

/// <summary>A document that a job was given.</summary>
/// <remarks>Its properties have setters because source-generated readers forget the defaults of others.</remarks>
internal sealed record SourceDocument
{
    public string? Name { get; set; }

    public required string Text { get; set; }
}

/// <summary>A piece of a document, short enough to be quoted.</summary>
/// <param name="Number">1, 2, 3… over all documents: what citations name.</param>
/// <param name="Source">The document's name, or its number among the documents.</param>
/// <param name="Start">Where it begins in the document, in UTF-16 code units.</param>
/// <param name="End">The place after its end.</param>
/// <param name="Text">What it says.</param>
internal sealed record Passage(int Number, string Source, int Start, int End, string Text);
