using System.Text.Json;
using HelixFlow.InferenceNode.Answers;

namespace HelixFlow.InferenceNode.Tests.Answers;

public sealed class ToolCallParserTests
{
    /// <summary>Family, text, content, calls.</summary>
    private static readonly (ToolCallFamily Family, string Text, string Content, string[] Calls)[] Cases =
    [
        (ToolCallFamily.Hermes, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "", ["""f({"a": 1})"""]),
        (ToolCallFamily.Hermes, "Let me see. <tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"g\",\"arguments\":{\"x\":[1,{\"y\":\"}\"}]}}</tool_call>\n",
            "Let me see. ", ["f({})", """g({"x":[1,{"y":"}"}]})"""]),
        (ToolCallFamily.Hermes, "<tool_call>{\"arguments\": {\"a\": 2}, \"name\": \"f\"}</tool_call> done", " done", ["""f({"a": 2})"""]),
        (ToolCallFamily.Hermes, "<tool_call>{\"name\": \"f\"}</tool_call>", "", ["f({})"]),
        (ToolCallFamily.Hermes, """<tool_call>{"name": "f", "arguments": "{\"a\": 1}"}</tool_call>""", "", ["""f({"a": 1})"""]),
        (ToolCallFamily.Hermes, """<tool_call>{"type": "function", "name": "f", "parameters": {"a": "\"\\ü</tool_call>"}, "id": 7}</tool_call>""", "", ["""f({"a": "\"\\ü</tool_call>"})"""]),
        (ToolCallFamily.Hermes, """<tool_call>{"name": "f", "arguments": {"a": 1}</tool_call>after""", "after", ["""f({"a": 1})"""]), // a brace is missing
        (ToolCallFamily.Hermes, """<tool_call>{"name": "f", "arguments": {"a": [1</tool_call>""", "", ["""f({"a": [1)"""]),
        (ToolCallFamily.Hermes, """<tool_call>{"name": "f", "arguments": {"a": 1""", "", ["""f({"a": 1)"""]), // cut off by the limit of tokens
        (ToolCallFamily.Hermes, """<tool_call>{"name": "f", "argu""", """<tool_call>{"name": "f", "argu""", []),
        (ToolCallFamily.Hermes, "<tool_call>f(1)</tool_call>", "<tool_call>f(1)</tool_call>", []),
        (ToolCallFamily.Hermes, "<tool_call>{\"no\": 1}</tool_call>", "<tool_call>{\"no\": 1}</tool_call>", []),
        (ToolCallFamily.Hermes, "a < b, <tool is not <tool_call", "a < b, <tool is not <tool_call", []),
        (ToolCallFamily.Hermes, "<tool_call><tool_call>{\"name\": \"f\"}</tool_call>", "<tool_call>", ["f({})"]),
        (ToolCallFamily.Hermes, """<tool_call>{"name": "\ud800", "arguments": {}}</tool_call>""", """<tool_call>{"name": "\ud800", "arguments": {}}</tool_call>""", []),

        (ToolCallFamily.QwenXml, "<tool_call>\n<function=get_weather>\n<parameter=city>\nSão \"Paulo\"\n\nnow\n</parameter>\n<parameter=days>\n3\n</parameter>\n<parameter=detail>\nTrue\n</parameter>\n</function>\n</tool_call>",
            "", ["""get_weather({"city": "São \"Paulo\"\n\nnow", "days": 3, "detail": true})"""]),
        (ToolCallFamily.QwenXml, "Sure.\n<function=empty>\n</function>\n<function=f><parameter=a>not a number</parameter><parameter=other>{1}</parameter></function></tool_call>",
            "Sure.\n", ["empty({})", """f({"a": "not a number", "other": "{1}"})"""]),
        (ToolCallFamily.QwenXml, "<tool_call>text</tool_call> <function=", "<tool_call>text</tool_call> <function=", []),
        (ToolCallFamily.QwenXml, "<tool_call><function=f><parameter=b>half", "", ["""f({"b": "half)"""]),
        (ToolCallFamily.QwenXml, "<tool_call><function=f><parameter=b>\na</parameter\n\n</parameter></function></tool_call>!", "!", ["""f({"b": "a</parameter\n"})"""]),

        (ToolCallFamily.LlamaJson, """{"name": "f", "parameters": {"a": 1}}""", "", ["""f({"a": 1})"""]),
        (ToolCallFamily.LlamaJson, """ <|python_tag|>{"name": "f", "parameters": {"a": 1}}; {"name": "empty", "parameters": {}}""", " ", ["""f({"a": 1})""", "empty({})"]),
        (ToolCallFamily.LlamaJson, """{"type": "function", "function": "f", "parameters": {}}""", "", ["f({})"]),
        (ToolCallFamily.LlamaJson, """{"name": "John", "age": 3}""", """{"name": "John", "age": 3}""", []), // an answer in JSON is none
        (ToolCallFamily.LlamaJson, """Here: {"name": "f", "parameters": {}}""", """Here: {"name": "f", "parameters": {}}""", []),
        (ToolCallFamily.LlamaJson, "<|python_tag|>print(1)", "<|python_tag|>print(1)", []),

        (ToolCallFamily.LlamaPython, """[get_weather(city="Rome", days=2), f(a=-1, b='it\'s', c=[1, None, {'k': (True, 2.5)}])]""", "",
            ["""get_weather({"city": "Rome", "days": 2})""", """f({"a": -1, "b": "it's", "c": [1, null, {"k": [true, 2.5]}]})"""]),
        (ToolCallFamily.LlamaPython, "<|python_start|>[f(1, 'x')]<|python_end|>", "", ["""f({"a": 1, "b": "x"})"""]),
        (ToolCallFamily.LlamaPython, "[empty()]", "", ["empty({})"]),
        (ToolCallFamily.LlamaPython, "[1, 2, 3]", "[1, 2, 3]", []),
        (ToolCallFamily.LlamaPython, "[unknown(a=1)]", "[unknown(a=1)]", []),
        (ToolCallFamily.LlamaPython, "[f(a=open('/etc/passwd'))] ok", "[f(a=open('/etc/passwd'))] ok", []),
        (ToolCallFamily.LlamaPython, "[f(a=1), oops", ", oops", ["""f({"a": 1})"""]),

        (ToolCallFamily.Mistral, """[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]""", "", ["""f({"a": 1})""", "g({})"]),
        (ToolCallFamily.Mistral, """[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]abc123xyz[ARGS]{}""", "", ["""f({"a": 1})""", "g({})"]),
        (ToolCallFamily.Mistral, """Well, [TOOL_CALLS]f{"a": 1}""", "Well, ", ["""f({"a": 1})"""]),
        (ToolCallFamily.Mistral, """[TOOL_CALLS]f and more [TOOL_CALLS]""", """[TOOL_CALLS]f and more [TOOL_CALLS]""", []),
        (ToolCallFamily.Mistral, """[TOOL_CALLS]foo[TOOL_CALLS]bar[ARGS]{}""", "[TOOL_CALLS]foo", ["bar({})"]),
        (ToolCallFamily.Mistral, """[TOOL_CALLS]f[ARGS][1]""", "[TOOL_CALLS]f[ARGS][1]", []),
        (ToolCallFamily.Mistral, "[TOOL_CALLS][]", "[TOOL_CALLS][]", []),
        (ToolCallFamily.Mistral, """[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}} x""", " x", ["""f({"a": 1})"""]),

        (ToolCallFamily.Phi, """functools[{"name": "f", "arguments": {"a": 1}}]""", "", ["""f({"a": 1})"""]),
        (ToolCallFamily.Phi, """<|tool_call|>[{"name": "f", "arguments": {"a": 1}}]<|/tool_call|>""", "", ["""f({"a": 1})"""]),
        (ToolCallFamily.Phi, "import functools", "import functools", []),

        (ToolCallFamily.GemmaCode, "I look.\n```tool_code\nget_weather(city='Rome')\nprint(f(a=1))\n```\nSoon.", "I look.\n\nSoon.", ["""get_weather({"city": "Rome"})""", """f({"a": 1})"""]),
        (ToolCallFamily.GemmaCode, "```tool_code\nx = 1\n```", "```tool_code\nx = 1\n```", []),
        (ToolCallFamily.GemmaCode, "```python\nf(a=1)\n```", "```python\nf(a=1)\n```", []),
        (ToolCallFamily.GemmaCode, "```tool_code\n[f(a=1), empty()]\n```", "", ["""f({"a": 1})""", "empty({})"]),

        (ToolCallFamily.GemmaFunction, "<start_function_call>call:f{a:1,b:<escape>x, {y}<escape>,c:[1,<escape>z<escape>],d:{e:true}}<end_function_call>", "",
            ["""f({"a": 1, "b": "x, {y}", "c": [1, "z"], "d": {"e": true}})"""]),
        (ToolCallFamily.GemmaFunction, "<start_function_call>call:f{}<end_function_call><start_function_call>call:g{a:word}<end_function_call>", "", ["f({})", """g({"a": "word"})"""]),
        (ToolCallFamily.GemmaFunction, "<start_function_call>f{}<end_function_call>!", "<start_function_call>f{}<end_function_call>!", []),
    ];

    public static TheoryData<int> Numbers => [.. Enumerable.Range(0, Cases.Length)];

    [Theory]
    [MemberData(nameof(Numbers))]
    public void A_text_is_read_as_content_and_calls(int number)
    {
        (ToolCallFamily family, string text, string content, string[] calls) = Cases[number];

        ReadAnswer answer = ReadAnswer.Of(family, text);

        Assert.Equal(calls, answer.Calls);
        Assert.Equal(content, answer.Content);
    }

    [Fact]
    public void Any_cut_gives_the_same_answer()
    {
        var random = new Random(3);
        foreach ((ToolCallFamily family, string text, _, _) in Cases)
        {
            string whole = ReadAnswer.Of(family, text).ToString();
            for (int cut = 0; cut <= text.Length; cut++)
            {
                Assert.Equal(whole, ReadAnswer.Of(family, text[..cut], text[cut..]).ToString());
            }

            for (int round = 0; round < 20; round++)
            {
                Assert.Equal(whole, ReadAnswer.Of(ReadAnswer.Reader(family), ReadAnswer.Cut(text, random)).ToString());
            }
        }
    }

    [Fact]
    public void No_text_throws_and_none_without_a_call_loses_a_character()
    {
        var random = new Random(7);
        string[] parts =
        [
            "<tool_call>", "</tool_call>", "<function=", "f", ">", "<parameter=a>", "</parameter>", "</function>", "{", "}", "[", "]", "(", ")", "\"", "'", "\\", ",", ":", ";",
            "\"name\"", "\"arguments\"", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "<|tool_call|>", "<|/tool_call|>", "functools", "```tool_code", "```", "print(",
            "<start_function_call>", "call:", "<end_function_call>", "<escape>", " ", "\n", "1", "é", "🦊", "\u0001", "\\ud800", "<|python_start|>", "f(a=1)", "{\"name\": \"f\"}", "<think>", "</think>",
        ];
        int withCalls = 0;
        for (int round = 0; round < 40_000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 16)).Select(_ => parts[random.Next(parts.Length)]));
            ToolCallFamily family = (ToolCallFamily)(round % Enum.GetValues<ToolCallFamily>().Length);
            if (random.Next(4) == 0)
            {
                string real = Cases.Where(entry => entry.Family == family).ElementAt(random.Next(3)).Text;
                text = random.Next(2) == 0 ? text + real : real[random.Next(real.Length)..] + text + real;
            }

            ReadAnswer answer = ReadAnswer.Of(ReadAnswer.Reader(family), ReadAnswer.Cut(text, random));

            Assert.Equal(ReadAnswer.Of(family, text).ToString(), answer.ToString());
            Assert.True(IsContained(answer.Content, text), text);
            if (answer.Calls.Count == 0)
            {
                Assert.Equal(text, answer.Content);
            }

            withCalls += answer.Calls.Count > 0 ? 1 : 0;
        }

        Assert.True(withCalls > 500, $"only {withCalls} texts had calls");
    }

    [Fact]
    public void Mutated_calls_lose_nothing_but_what_is_told_as_calls()
    {
        var random = new Random(11);
        foreach ((ToolCallFamily family, string text, _, _) in Cases)
        {
            for (int round = 0; round < 200; round++)
            {
                char[] characters = text.ToCharArray();
                characters[random.Next(characters.Length)] = "{}[]\"'\\<>, \n:a1"[random.Next(15)];
                string mutated = new(characters);

                ReadAnswer answer = ReadAnswer.Of(family, mutated);

                Assert.Equal(answer.ToString(), ReadAnswer.Of(ReadAnswer.Reader(family), ReadAnswer.Cut(mutated, random)).ToString());
                Assert.True(answer.Calls.Count > 0 || answer.Content == mutated, mutated);
            }
        }
    }

    [Fact]
    public void Arguments_as_json_come_out_as_they_were_written()
    {
        var random = new Random(13);
        JsonSerializerOptions[] layouts = [new(), new() { WriteIndented = true }];
        for (int round = 0; round < 300; round++)
        {
            string arguments = JsonSerializer.Serialize(Value(random, 0), layouts[random.Next(2)]);
            Assert.Equal([$"f({arguments})"], ReadAnswer.Of(ToolCallFamily.Hermes, $"<tool_call>{{\"name\": \"f\", \"arguments\": {arguments}}}</tool_call>").Calls);
            Assert.Equal([$"f({arguments})"], ReadAnswer.Of(ToolCallFamily.Mistral, $"[TOOL_CALLS]f[ARGS]{arguments}").Calls);
            Assert.Equal([$"f({arguments})"], ReadAnswer.Of(ToolCallFamily.LlamaJson, $"{{\"name\": \"f\", \"parameters\": {arguments}}}").Calls);
        }
    }

    [Fact]
    public void Arguments_are_told_as_they_come_and_text_is_not_held_back_longer_than_a_marker()
    {
        AnswerReader reader = ReadAnswer.Reader(ToolCallFamily.Hermes);
        Assert.Equal("Hi ", Next("Hi <tool").Text);
        Assert.Equal("<toolx", Next("x").Text);
        Assert.False(reader.TakeInto(new()));
        Schemas.Inference.V1.TokenChunk chunk = Next("<tool_call>{\"name\":\"f\",\"arguments\":{");
        Assert.Equal(("f", "{"), (chunk.ToolCalls[0].Name, chunk.ToolCalls[0].Arguments));
        chunk = Next("\"a\": ");
        Assert.Equal(("", "\"a\": "), (chunk.ToolCalls[0].Name, chunk.ToolCalls[0].Arguments));

        Schemas.Inference.V1.TokenChunk Next(string piece)
        {
            var taken = new Schemas.Inference.V1.TokenChunk();
            reader.Append(piece);
            reader.TakeInto(taken);
            return taken;
        }
    }

    [Fact]
    public void An_answer_in_json_is_not_held_back_where_calls_have_no_marker()
    {
        AnswerReader reader = ReadAnswer.Reader(ToolCallFamily.LlamaJson);
        var chunk = new Schemas.Inference.V1.TokenChunk();

        reader.Append("{\"title\": \"On");
        reader.TakeInto(chunk);

        Assert.Equal("{\"title\": \"On", chunk.Text);
    }

    [Fact]
    public void Only_the_first_call_is_told_when_one_is_wanted()
    {
        const string text = """<tool_call>{"name":"f","arguments":{}}</tool_call><tool_call>{"name":"g","arguments":{"a":1}}</tool_call>""";

        Assert.Equal(["f({})"], ReadAnswer.Of(ReadAnswer.Reader(ToolCallFamily.Hermes, single: true), [text]).Calls);
    }

    // Whether all characters stand in the text in this order.
    private static bool IsContained(string part, string text)
    {
        int at = 0;
        foreach (char c in text)
        {
            at += at < part.Length && part[at] == c ? 1 : 0;
        }

        return at == part.Length;
    }

    private static Dictionary<string, object?> Value(Random random, int depth) => Enumerable.Range(0, random.Next(4)).ToDictionary(
        i => $"k{i}\"é{(char)random.Next(1, 300)}",
        i => random.Next(depth > 3 ? 3 : 5) switch
        {
            0 => (object?)random.Next(),
            1 => new string([.. Enumerable.Range(0, random.Next(6)).Select(_ => "a\"\\{}[]</\n🦊"[random.Next(10)])]),
            2 => null,
            3 => Value(random, depth + 1),
            _ => new object?[] { 1.5, Value(random, depth + 1), true },
        });
}
