namespace HelixFlow.Engine.Grammar.Json;

/// <summary>The schemas that a member or element of a shape has to satisfy.</summary>
internal static class MemberSchemas
{
    /// <summary>Those of a member with this name.</summary>
    /// <param name="shape">The object.</param>
    /// <param name="name">The member's name.</param>
    /// <param name="matches">Whether a name holds a match of a pattern.</param>
    public static IEnumerable<SchemaTerm> Of(ObjectShape shape, string name, Func<string, string, bool> matches)
    {
        foreach (MemberRules rules in shape.Rules)
        {
            bool concerned = false;
            foreach ((string declared, SchemaTerm value) in rules.Properties)
            {
                if (declared == name)
                {
                    concerned = true;
                    yield return value;
                }
            }

            foreach ((string pattern, SchemaTerm value) in rules.Patterns)
            {
                if (matches(pattern, name))
                {
                    concerned = true;
                    yield return value;
                }
            }

            if (!concerned && rules.Others is { } others)
            {
                yield return others;
            }
        }
    }

    /// <summary>Those of a member whose name is none of the declared ones and matches just these patterns.</summary>
    public static IEnumerable<SchemaTerm> OfOther(ObjectShape shape, IReadOnlySet<string> patterns)
    {
        foreach (MemberRules rules in shape.Rules)
        {
            bool concerned = false;
            foreach ((string pattern, SchemaTerm value) in rules.Patterns)
            {
                if (patterns.Contains(pattern))
                {
                    concerned = true;
                    yield return value;
                }
            }

            if (!concerned && rules.Others is { } others)
            {
                yield return others;
            }
        }
    }

    /// <summary>Those of the element at an index.</summary>
    public static IEnumerable<SchemaTerm> Of(ArrayShape shape, int index)
    {
        foreach (ElementRules rules in shape.Rules)
        {
            if (index < rules.First.Length)
            {
                yield return rules.First[index];
            }
            else if (rules.Others is { } others)
            {
                yield return others;
            }
        }
    }
}
