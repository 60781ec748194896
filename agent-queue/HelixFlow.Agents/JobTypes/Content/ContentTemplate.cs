namespace HelixFlow.Agents.JobTypes.Content;

/// <summary>A kind of text: what a model is told of it, and its usual size.</summary>
/// <param name="Name">As inputs name it.</param>
/// <param name="Kind">With its article, as in "Write an article".</param>
/// <param name="Guidance">How such a text is made, for the model.</param>
/// <param name="Sections">How many sections it usually has.</param>
/// <param name="Words">How many words a section usually has.</param>
/// <param name="HasHeadings">Whether a reader sees the sections' titles; otherwise they are only the plan.</param>
internal sealed record ContentTemplate(string Name, string Kind, string Guidance, int Sections, int Words, bool HasHeadings)
{
    /// <summary>All that there are.</summary>
    public static IReadOnlyList<ContentTemplate> All { get; } =
    [
        new("article", "an article", "Open with what matters most. Each section makes one point and supports it. End with what follows from it.", 5, 180, true),
        new("blog-post", "a blog post", "Speak to the reader. Open with a question or a scene, keep paragraphs short, and end with something to do or to think about.", 4, 150, true),
        new("report", "a report", "Open with a summary for those who read nothing else. Go from the facts to what they mean, and end with recommendations. Be sober.", 6, 200, true),
        new("product-description", "a product description", "Say what the product is and for whom, what it does for them, and what sets it apart. Claim nothing that is not given.", 3, 70, true),
        new("email", "an email", "Its title is the subject. Come to the point at once, keep to one matter, and say clearly what the reader is asked to do.", 3, 50, false),
        new("documentation", "a page of documentation", "Say what the thing is, what one needs, how it is done step by step, with an example, and what may go wrong.", 5, 150, true),
        new("press-release", "a press release", "Answer who, what, when, where and why in the first section, the most important first, and end with a word on who speaks.", 4, 90, false),
        new("faq", "a list of frequently asked questions", "Each section's title is a question as readers would ask it, and the section answers it at once.", 6, 70, true),
    ];

    /// <summary>The template of a name that inputs may have.</summary>
    public static ContentTemplate Of(string name) => All.First(template => template.Name == name);
}
