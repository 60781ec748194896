using HelixFlow.Gateway.Responses.Items;

namespace HelixFlow.Gateway.Responses;

/// <summary>All the items that a response answers.</summary>
/// <param name="Before">Those of the responses before it, or of its conversation.</param>
/// <param name="Input">Those of the request, with what it only referred to.</param>
internal sealed record ResponseContext(IReadOnlyList<StoredItem> Before, IReadOnlyList<StoredItem> Input);
