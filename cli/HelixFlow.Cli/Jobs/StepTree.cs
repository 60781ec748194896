using System.Globalization;
using System.Text.Json;

namespace HelixFlow.Cli.Jobs;

/// <summary>The steps of a job as a tree: an address such as <c>turn/2/call/1</c> names the branches that lead to it.</summary>
internal sealed class StepTree
{
    private readonly Node _root = new("");

    /// <summary>Adds a step. Branches stand in the order in which their first step was added, or by their numbers where all have one.</summary>
    public void Add(string address, JsonElement step)
    {
        Node node = _root;
        foreach (string name in address.Split('/'))
        {
            node = node.Child(name);
        }

        node.Step = step;
    }

    /// <summary>The lines from top to bottom, each with its step; null for a branch that is none itself.</summary>
    public IEnumerable<(string Text, JsonElement? Step)> Lines() => _root.Ordered().SelectMany(static child => Lines(child, "", ""));

    private static IEnumerable<(string Text, JsonElement? Step)> Lines(Node node, string before, string beforeChildren)
    {
        string name = node.Name;
        while (node is { Step: null, Children: [var only] })
        {
            node = only; // a branch that leads to one place is that place
            name += $"/{node.Name}";
        }

        yield return (before + name, node.Step);
        List<Node> children = node.Ordered();
        for (int i = 0; i < children.Count; i++)
        {
            bool isLast = i == children.Count - 1;
            foreach ((string, JsonElement?) line in Lines(children[i], beforeChildren + (isLast ? "└─ " : "├─ "), beforeChildren + (isLast ? "   " : "│  ")))
            {
                yield return line;
            }
        }
    }

    private sealed class Node(string name)
    {
        private readonly Dictionary<string, Node> _byName = new(StringComparer.Ordinal);

        public string Name => name;

        public JsonElement? Step { get; set; }

        public List<Node> Children { get; } = [];

        public List<Node> Ordered() =>
            Children.TrueForAll(static child => int.TryParse(child.Name, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                ? [.. Children.OrderBy(static child => int.Parse(child.Name, NumberStyles.None, CultureInfo.InvariantCulture))]
                : Children;

        public Node Child(string of)
        {
            if (!_byName.TryGetValue(of, out Node? child))
            {
                _byName.Add(of, child = new Node(of));
                Children.Add(child);
            }

            return child;
        }
    }
}
