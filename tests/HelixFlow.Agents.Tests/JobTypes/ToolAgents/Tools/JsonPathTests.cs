using System.Text.Json;
using HelixFlow.Agents.JobTypes.Agents.Tools;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents.Tools;

public sealed class JsonPathTests
{
    // The bookstore of RFC 9535, section 1.5.
    private const string Store = """
        {"store":{"book":[
          {"category":"reference","author":"Nigel Rees","title":"Sayings of the Century","price":8.95},
          {"category":"fiction","author":"Evelyn Waugh","title":"Sword of Honour","price":12.99},
          {"category":"fiction","author":"Herman Melville","title":"Moby Dick","isbn":"0-553-21311-3","price":8.99},
          {"category":"fiction","author":"J. R. R. Tolkien","title":"The Lord of the Rings","isbn":"0-395-19395-8","price":22.99}],
          "bicycle":{"color":"red","price":399}}}
        """;

    [Theory]
    [InlineData("$.store.book[*].author", """["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]""")]
    [InlineData("$..author", """["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]""")]
    [InlineData("$.store..price", "[8.95,12.99,8.99,22.99,399]")]
    [InlineData("$..book[2].title", """["Moby Dick"]""")]
    [InlineData("$..book[-1].title", """["The Lord of the Rings"]""")]
    [InlineData("$..book[0,1].price", "[8.95,12.99]")]
    [InlineData("$..book[:2].price", "[8.95,12.99]")]
    [InlineData("$..book[::-2].price", "[22.99,12.99]")]
    [InlineData("$..book[?@.isbn].price", "[8.99,22.99]")]
    [InlineData("$..book[?(@.price < 10)].title", """["Sayings of the Century","Moby Dick"]""")]
    [InlineData("$..book[?@.price < 10 && !(@.category == 'reference')].title", """["Moby Dick"]""")]
    [InlineData("$..book[?@.price > 20 || @['author'] == \"Nigel Rees\"].price", "[8.95,22.99]")]
    [InlineData("$..book[?@.price >= $.store.book[3].price].price", "[22.99]")]
    [InlineData("$['store']['bicycle']['color']", """["red"]""")]
    [InlineData("$.store.bicycle.*", """["red",399]""")]
    [InlineData("$.nothing[3].x", "[]")]
    [InlineData("$.store.bicycle[?@ == 'red']", """["red"]""")]
    [InlineData("$..[?@.color != null].color", """["red"]""")]
    public void It_selects_as_the_standard_says(string path, string expected) =>
        Assert.Equal(expected, $"[{string.Join(',', JsonPath.Parse(path).Select(JsonElement.Parse(Store)).Select(static value => value.GetRawText()))}]");

    [Theory]
    [InlineData("")]
    [InlineData("store")]
    [InlineData("$.")]
    [InlineData("$[")]
    [InlineData("$['a'")]
    [InlineData("$[?]")]
    [InlineData("$[?@.a ==]")]
    [InlineData("$[?1]")]
    [InlineData("$[99999999999]")]
    [InlineData("$.a b")]
    [InlineData("$['\\x']")]
    public void What_is_no_path_is_refused(string path) => Assert.Throws<FormatException>(() => JsonPath.Parse(path));

    [Fact]
    public void Whatever_the_path_there_is_a_list_or_a_refusal()
    {
        var random = new Random(9);
        JsonElement root = JsonElement.Parse(Store);
        string[] pieces = ["$", ".", "..", "*", "[", "]", "?", "@", "store", "book", "'price'", "\"", "0", "-1", ":", ",", "(", ")", "!", "==", "<", "&&", "||", " ", "1.5", "null", "\\u00e9", "é"];
        int read = 0;
        for (int round = 0; round < 50_000; round++)
        {
            string path = "$" + string.Concat(Enumerable.Range(0, random.Next(0, 8)).Select(_ => pieces[random.Next(pieces.Length)]));
            try
            {
                _ = JsonPath.Parse(path).Select(root);
                read++;
            }
            catch (FormatException)
            {
                // As it should be.
            }
        }

        Assert.True(read > 500, $"Only {read} of the paths were any.");
    }

    [Fact]
    public void A_path_that_looks_at_everything_again_and_again_ends()
    {
        JsonElement deep = JsonElement.Parse(string.Concat(Enumerable.Repeat("[[", 30)) + string.Concat(Enumerable.Repeat("]]", 30)));

        Assert.Throws<FormatException>(() => JsonPath.Parse("$" + string.Concat(Enumerable.Repeat("..*", 12))).Select(deep));
        Assert.Throws<FormatException>(() => JsonPath.Parse("$" + string.Concat(Enumerable.Repeat("[?(", 60)) + "@" + string.Concat(Enumerable.Repeat(")]", 60))));
    }
}
