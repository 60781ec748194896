using System.Globalization;
using System.Text;

namespace HelixFlow.Gateway.Routing;

/// <summary>What became of the search for a node.</summary>
internal enum PickKind
{
    /// <summary>There is one.</summary>
    Picked,

    /// <summary>No node has the model or could load it.</summary>
    NoNodeForModel,

    /// <summary>Nodes have it and are well, but take no more requests now: wait and ask again.</summary>
    AllBusy,

    /// <summary>Nodes have it, but all of them are starting, draining, failing or were tried already.</summary>
    NoneReady,
}

/// <summary>What a request asks of <see cref="NodePicker"/>.</summary>
internal readonly ref struct PickQuery
{
    public required string Model { get; init; }

    /// <summary>The prompt's <see cref="Schemas.PromptChain"/>; may be empty.</summary>
    public ReadOnlySpan<ulong> Chain { get; init; }

    /// <summary>Nodes not to choose: they were tried already.</summary>
    public ReadOnlySpan<NodeView> Excluded { get; init; }

    /// <summary>Whether, when all nodes that have the model are full, a further node may load it too.</summary>
    public bool MayLoadElsewhere { get; init; }

    /// <summary>The time, since any fixed moment.</summary>
    public required TimeSpan Now { get; init; }
}

/// <summary>Why nodes were passed over: numbers of nodes, each counted for its first reason only.</summary>
internal record struct PickFacts
{
    /// <summary>Nodes that were looked at.</summary>
    public int Seen { get; set; }

    public int NotReady { get; set; }

    public int Draining { get; set; }

    /// <summary>Their circuits are open, or half-open with a probe under way.</summary>
    public int Failing { get; set; }

    public int Excluded { get; set; }

    public int Full { get; set; }

    /// <summary>For an error message, for example "3 nodes: 1 draining, 2 failing".</summary>
    public override readonly string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Seen} {(Seen == 1 ? "node" : "nodes")}");
        string between = ": ";
        Part(NotReady, "not ready");
        Part(Draining, "draining");
        Part(Failing, "failing");
        Part(Excluded, "tried already");
        Part(Full, "full");
        return text.ToString();

        void Part(int count, string what)
        {
            if (count > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"{between}{count} {what}");
                between = ", ";
            }
        }
    }
}

/// <summary>The answer of <see cref="NodePicker"/>.</summary>
/// <param name="Kind">What became of the search.</param>
/// <param name="Placement">Where to send the request; null unless picked.</param>
/// <param name="MatchedBlocks">Of the chain, how many the node is believed to hold; 0 unless the policy looks at it.</param>
/// <param name="Facts">Why other nodes were passed over.</param>
internal readonly record struct PickOutcome(PickKind Kind, ModelPlacement? Placement, int MatchedBlocks, PickFacts Facts);
