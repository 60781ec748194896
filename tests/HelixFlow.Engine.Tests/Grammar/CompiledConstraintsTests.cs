using HelixFlow.Engine.Grammar;

namespace HelixFlow.Engine.Tests.Grammar;

public sealed class CompiledConstraintsTests
{
    [Fact]
    public async Task Equal_constraints_are_compiled_once_however_many_ask_at_once()
    {
        int vocabularies = 0;
        var compiled = new CompiledConstraints(() =>
        {
            Interlocked.Increment(ref vocabularies);
            return SmallVocabulary.Instance;
        });
        TokenGrammar[] grammars = await Task.WhenAll(Enumerable.Range(0, 64).Select(i => Task.Run(() => compiled.Get(new Constraint.Choice([.. (string[])["a", $"b{i % 4}"]])))));

        Assert.Equal((4, 4, 1), (grammars.Distinct().Count(), compiled.Count, vocabularies));
        Assert.Same(compiled.Get(new Constraint.JsonObject()), compiled.Get(new Constraint.JsonObject()));
        Assert.NotSame(compiled.Get(new Constraint.Regex("a")), compiled.Get(new Constraint.Regex("b")));
    }

    [Fact]
    public void The_least_lately_used_ones_make_room()
    {
        var compiled = new CompiledConstraints(() => SmallVocabulary.Instance, capacity: 3);
        TokenGrammar first = compiled.Get(new Constraint.Regex("0"));
        TokenGrammar second = compiled.Get(new Constraint.Regex("1"));
        compiled.Get(new Constraint.Regex("2"));
        Assert.Same(first, compiled.Get(new Constraint.Regex("0")));

        compiled.Get(new Constraint.Regex("3"));

        Assert.Equal(3, compiled.Count);
        Assert.Same(first, compiled.Get(new Constraint.Regex("0")));
        Assert.NotSame(second, compiled.Get(new Constraint.Regex("1")));
    }

    [Fact]
    public void A_wrong_constraint_is_wrong_each_time()
    {
        var compiled = new CompiledConstraints(() => SmallVocabulary.Instance);

        string[] messages = [.. Enumerable.Range(0, 2).Select(_ => Assert.Throws<GrammarException>(() => compiled.Get(new Constraint.Grammar("root ::= x"))).Message)];

        Assert.Equal(messages[0], messages[1]);
    }

    [Fact]
    public async Task Preparations_end_with_the_model()
    {
        var compiled = new CompiledConstraints(() => SmallVocabulary.Instance);
        TokenGrammar[] grammars = [.. Enumerable.Range(0, 100).Select(i => compiled.Get(new Constraint.Choice([$"a{i}", "b"])))];

        await compiled.DisposeAsync();

        Assert.All(grammars, grammar => Assert.True(grammar.CreateMatcher().TryAccept("b"u8)));
        Assert.Equal(100, compiled.Count);
    }
}
