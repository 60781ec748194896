namespace HelixFlow.Gateway.Responses.Items;

/// <summary>An object as clients see it.</summary>
/// <param name="Id">Its id, which its JSON has too.</param>
/// <param name="Json">All of it.</param>
/// <param name="IsReference">Whether it only names an item that is stored; its JSON is empty then.</param>
internal sealed record StoredItem(string Id, string Json, bool IsReference = false);
