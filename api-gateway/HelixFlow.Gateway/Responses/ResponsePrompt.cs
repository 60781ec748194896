using System.Text.Json;
using HelixFlow.Gateway.Errors;
using HelixFlow.Gateway.Responses.Items;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Responses;

/// <summary>The prompt of a response, and what is left of it when not all fits the model's context.</summary>
internal static class ResponsePrompt
{
    // Room for the answer when the request does not say how long it may become: a quarter of the context, and no more than this.
    private const uint MostRoom = 4096;

    /// <exception cref="OpenAiException">The items do not make a conversation.</exception>
    public static ChatPrompt Of(ResponseRequest request, IEnumerable<StoredItem> items)
    {
        var prompt = new ChatPrompt { MessagesJson = ItemMessages.Build(request.Instructions, items), TemplateVariablesJson = request.TemplateVariables };
        request.Tools.Apply(prompt);
        return prompt;
    }

    /// <summary>
    /// Starts a generation, at the event that says that its prompt was accepted. A prompt that is too long is shortened when the request allows that.
    /// </summary>
    /// <param name="pool">Where it runs.</param>
    /// <param name="request">What is asked for; its prompt is made from the items.</param>
    /// <param name="items">All items that are answered.</param>
    /// <param name="onHeld">Told why it cannot start yet.</param>
    /// <param name="cancellationToken">Ends the generation.</param>
    /// <returns>The generation, and the items that it answers.</returns>
    /// <exception cref="InferenceException">The prompt was refused.</exception>
    public static async Task<(IAsyncEnumerator<GenerateEvent> Generation, IReadOnlyList<StoredItem> Items)> OpenAsync(
        IInferencePool pool, ResponseRequest request, IReadOnlyList<StoredItem> items, Action<Waiting>? onHeld, CancellationToken cancellationToken)
    {
        for (bool mayShorten = request.Truncate; ; mayShorten = false)
        {
            IAsyncEnumerator<GenerateEvent> generation = pool.GenerateAsync(request.Generate, cancellationToken).GetAsyncEnumerator(cancellationToken);
            try
            {
                while (await generation.MoveNextAsync().ConfigureAwait(false) && generation.Current.Waiting is { } waiting)
                {
                    onHeld?.Invoke(waiting);
                }

                return (generation, items);
            }
            catch (InferenceException refusal) when (mayShorten && refusal.Error == InferenceError.ContextLengthExceeded)
            {
                await generation.DisposeAsync().ConfigureAwait(false);
                if (await ShortenAsync(pool, request, items, cancellationToken).ConfigureAwait(false) is not { } fitting)
                {
                    throw;
                }

                (request.Generate.Chat, items) = fitting;
            }
            catch
            {
                await generation.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    /// <summary>
    /// The longest prompt that fits when the oldest items are left out, with the results of calls that are; what a system or a developer said and
    /// the last item stay. Null when not even those fit.
    /// </summary>
    public static async Task<(ChatPrompt Prompt, IReadOnlyList<StoredItem> Items)?> ShortenAsync(
        IInferencePool pool, ResponseRequest request, IReadOnlyList<StoredItem> items, CancellationToken cancellationToken)
    {
        uint context = await ContextAsync(pool, request, cancellationToken);
        uint room = RoomOf(request, context);
        ItemRole[] roles = [.. items.Select(ItemRole.Of)];
        int least = 1;
        int most = items.Count - 1;
        (ChatPrompt, IReadOnlyList<StoredItem>)? fitting = null;
        while (least <= most)
        {
            int dropped = (least + most) / 2;
            if (WithoutOldest(items, roles, dropped) is not { } kept)
            {
                most = dropped - 1; // the last item would go too
                continue;
            }

            ChatPrompt prompt = Of(request, kept);
            if ((await pool.CountTokensAsync(new CountTokensRequest { Model = request.Generate.Model, Chat = prompt }, cancellationToken)).Tokens + room <= context)
            {
                fitting = (prompt, kept);
                most = dropped - 1;
            }
            else
            {
                least = dropped + 1;
            }
        }

        return fitting;
    }

    /// <summary>The model's context in tokens; 0 when it is not known.</summary>
    public static async Task<uint> ContextAsync(IInferencePool pool, ResponseRequest request, CancellationToken cancellationToken)
    {
        ListModelsResponse models = await pool.ListModelsAsync(new ListModelsRequest(), cancellationToken);
        return models.Models.FirstOrDefault(model => model.Name == request.Generate.Model)?.ContextLength ?? 0;
    }

    /// <summary>The tokens of a context that the answer is left.</summary>
    public static uint RoomOf(ResponseRequest request, uint context) => request.Generate.HasMaxTokens ? request.Generate.MaxTokens : Math.Min(context / 4, MostRoom);

    private static List<StoredItem>? WithoutOldest(IReadOnlyList<StoredItem> items, ItemRole[] roles, int dropped)
    {
        var calls = new HashSet<string>(StringComparer.Ordinal);
        var kept = new List<StoredItem>();
        for (int i = 0; i < items.Count; i++)
        {
            bool stays = roles[i].IsSystem || (i >= dropped && (roles[i].Result is not { } result || calls.Contains(result)));
            if (!stays)
            {
                continue;
            }

            kept.Add(items[i]);
            if (roles[i].Call is { } call)
            {
                calls.Add(call);
            }
        }

        return kept[^1] == items[^1] ? kept : null;
    }

    /// <summary>What an item is to the others.</summary>
    private readonly record struct ItemRole(bool IsSystem, string? Call, string? Result)
    {
        public static ItemRole Of(StoredItem item)
        {
            using JsonDocument document = JsonDocument.Parse(item.Json);
            JsonElement value = document.RootElement;
            return value.GetProperty("type").GetString() switch
            {
                "message" => new ItemRole(value.GetProperty("role").GetString() is "system" or "developer", null, null),
                "function_call" => new ItemRole(false, value.GetProperty("call_id").GetString(), null),
                "function_call_output" => new ItemRole(false, null, value.GetProperty("call_id").GetString()),
                _ => default,
            };
        }
    }
}
