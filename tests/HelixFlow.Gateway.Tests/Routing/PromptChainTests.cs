using System.Numerics;
using System.Text;
using Google.Protobuf;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;
using HelixFlow.TestKit.Measures;

namespace HelixFlow.Gateway.Tests.Routing;

public sealed class PromptChainTests
{
    // From a second implementation in another language, written from the description of the function.
    [Fact]
    public void The_function_is_the_one_that_every_version_computes()
    {
        string content = string.Concat(Enumerable.Repeat("Grüße, 世界 🌍! ", 40));
        GenerateRequest chat = Chat($$"""[{"role":"user","content":"{{content}}"}]""", tools: "[]", variables: """{"a":1}""");
        var text = new GenerateRequest { Model = "helix-tiny", Text = string.Concat(Enumerable.Repeat("The quick brown fox. ", 30)) };
        var tokens = new GenerateRequest { Model = "m", Project = "p", Tokens = new TokenIds() };
        tokens.Tokens.Ids.Add(Enumerable.Range(0, 64).Concat(Enumerable.Range(-64, 64)));

        Assert.Equal([0xD3C9DE3B10BB2D35, 0x7CEC887E37290F29, 0xAD27F35D7EECEB81], Chain(chat));
        Assert.Equal([0xE640EFA3DF2FF64D, 0x80964680BA38DE48], Chain(text));
        Assert.Equal([0xD4A455D0D6DA5CA1, 0x2092821B254D18A4], Chain(tokens));
    }

    [Fact]
    public void Any_text_gives_the_chain_of_its_bytes_wherever_characters_and_blocks_meet()
    {
        var random = new Random(71);
        for (int round = 0; round < 300; round++)
        {
            string tools = RandomText(random, random.Next(3) * 150);
            string variables = RandomText(random, random.Next(100));
            string messages = RandomText(random, random.Next(4000));
            byte[] stream = [.. Encoding.UTF8.GetBytes(tools), 0xFF, .. Encoding.UTF8.GetBytes(variables), 0xFF, .. Encoding.UTF8.GetBytes(messages)];

            Assert.Equal(ReferenceChain(1, "helix-tiny", "acme", stream), Chain(Chat(messages, tools, variables)));
        }
    }

    [Fact]
    public void Prompts_share_exactly_the_blocks_that_their_common_beginning_fills()
    {
        var random = new Random(72);
        for (int round = 0; round < 300; round++)
        {
            string common = new('x', random.Next(2000));
            string left = common + "a" + RandomText(random, 700);
            string right = common + "b" + RandomText(random, 700);

            ulong[] first = Chain(new GenerateRequest { Model = "m", Text = left });
            ulong[] second = Chain(new GenerateRequest { Model = "m", Text = right });

            int shared = common.Length / PromptChain.BlockBytes;
            Assert.Equal(first.AsSpan(0, shared), second.AsSpan(0, shared));
            Assert.Empty(first.Skip(shared).Intersect(second.Skip(shared)));
        }
    }

    [Fact]
    public void The_next_turn_of_a_conversation_begins_with_the_blocks_of_the_turn_before()
    {
        string turn = $$"""{"role":"user","content":"{{new string('q', 900)}}"}""";
        string before = $"[{turn}]";
        string next = $$"""[{{turn}},{"role":"assistant","content":"yes"},{{turn}}]""";

        ulong[] chain = Chain(Chat(before));

        Assert.Equal((before.Length + 1) / PromptChain.BlockBytes, chain.Length);
        Assert.Equal(chain, Chain(Chat(next)).Take(chain.Length));
    }

    [Fact]
    public void Other_projects_models_and_forms_share_nothing()
    {
        string text = new('t', 5000);
        ulong[] chain = Chain(new GenerateRequest { Model = "m", Project = "p", Text = text });

        Assert.Empty(chain.Intersect(Chain(new GenerateRequest { Model = "m", Project = "q", Text = text })));
        Assert.Empty(chain.Intersect(Chain(new GenerateRequest { Model = "n", Project = "p", Text = text })));
        Assert.Empty(chain.Intersect(Chain(new GenerateRequest { Model = "mp", Project = "", Text = text })));
        Assert.Empty(chain.Intersect(Chain(new GenerateRequest { Model = "", Project = "mp", Text = text })));
        Assert.Empty(chain.Intersect(Chain(new GenerateRequest { Model = "m", Project = "p", Chat = new ChatPrompt { MessagesJson = text } })));
    }

    [Fact]
    public void What_stands_in_the_tools_is_not_taken_for_messages()
    {
        string half = new('h', 600);

        Assert.Empty(Chain(Chat(half, tools: half))[2..].Intersect(Chain(Chat(half + half))));
        Assert.NotEqual(Chain(Chat(half, tools: half)), Chain(Chat(half, variables: half)));
    }

    [Fact]
    public void The_node_computes_the_gateways_chain_even_for_text_that_utf8_cannot_say()
    {
        GenerateRequest sent = Chat(new string('a', 300) + "\uD83D" + new string('b', 300) + "\uDE00\uD83D" + new string('c', 300));

        GenerateRequest received = GenerateRequest.Parser.ParseFrom(sent.ToByteArray());

        Assert.Equal(Chain(sent), Chain(received));
    }

    [Fact]
    public void A_changed_bit_changes_half_of_the_hash()
    {
        var random = new Random(73);
        var flips = new int[64];
        const int Rounds = 8000;
        var bytes = new byte[PromptChain.BlockBytes];
        for (int round = 0; round < Rounds; round++)
        {
            random.NextBytes(bytes);
            ulong before = Chain(Tokens(bytes))[0];
            int bit = random.Next(8 * bytes.Length);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            ulong difference = before ^ Chain(Tokens(bytes))[0];

            Assert.InRange(BitOperations.PopCount(difference), 8, 56); // six standard deviations around 32
            for (int at = 0; at < 64; at++)
            {
                flips[at] += (int)(difference >> at) & 1;
            }
        }

        Assert.All(flips, count => Assert.InRange(count, Rounds * 0.46, Rounds * 0.54)); // seven standard deviations
    }

    [Fact]
    public void A_changed_bit_early_changes_every_later_hash()
    {
        var bytes = new byte[PromptChain.BlockBytes * 40];
        ulong[] before = Chain(Tokens(bytes));
        bytes[3] ^= 1;

        Assert.Empty(before.Intersect(Chain(Tokens(bytes))));
    }

    [Fact]
    public void Similar_blocks_do_not_collide()
    {
        var seen = new HashSet<ulong>();
        var bytes = new byte[PromptChain.BlockBytes];
        for (int at = 0; at < bytes.Length; at++)
        {
            for (int value = 1; value < 256; value++)
            {
                bytes[at] = (byte)value;
                Assert.True(seen.Add(Chain(Tokens(bytes))[0]));
            }

            bytes[at] = 0;
        }
    }

    [Fact]
    public void The_chain_is_bounded_by_its_own_limit_and_by_the_callers_span()
    {
        var long_prompt = new GenerateRequest { Model = "m", Text = new string('z', 300_000) };
        Span<ulong> few = stackalloc ulong[3];

        Assert.Equal(PromptChain.MaxBlocks, Chain(long_prompt).Length);
        Assert.Equal(3, PromptChain.Compute(long_prompt, few));
        Assert.Equal(Chain(long_prompt).AsSpan(0, 3), few);
        Assert.Equal(0, PromptChain.Compute(long_prompt, []));
    }

    [Fact]
    public void A_prompt_of_no_form_or_less_than_a_block_has_no_chain()
    {
        Assert.Empty(Chain(new GenerateRequest { Model = "m" }));
        Assert.Empty(Chain(new GenerateRequest { Model = "m", Text = new string('z', PromptChain.BlockBytes - 1) }));
        Assert.Single(Chain(new GenerateRequest { Model = "m", Text = new string('z', PromptChain.BlockBytes) }));
    }

    [Fact]
    public void Computing_allocates_nothing()
    {
        GenerateRequest request = Chat(new string('ä', 20_000));
        var hashes = new ulong[PromptChain.MaxBlocks];
        PromptChain.Compute(request, hashes);

        Assert.Equal(0, ThreadAllocations.Least(() => PromptChain.Compute(request, hashes)));
    }

    private static GenerateRequest Chat(string messages, string tools = "", string variables = "") => new()
    {
        Model = "helix-tiny",
        Project = "acme",
        Chat = new ChatPrompt { MessagesJson = messages, ToolsJson = tools, TemplateVariablesJson = variables },
    };

    private static GenerateRequest Tokens(byte[] bytes)
    {
        var request = new GenerateRequest { Model = "m", Tokens = new TokenIds() };
        for (int at = 0; at < bytes.Length; at += sizeof(int))
        {
            request.Tokens.Ids.Add(BitConverter.ToInt32(bytes, at));
        }

        return request;
    }

    private static ulong[] Chain(GenerateRequest request)
    {
        var hashes = new ulong[PromptChain.MaxBlocks + 1];
        return hashes[..PromptChain.Compute(request, hashes)];
    }

    private static string RandomText(Random random, int characters)
    {
        string[] alphabet = ["a", "b", " ", "\"", "ß", "é", "世", "界", "\u20AC", "🌍", "\uD800", "\0"];
        var text = new StringBuilder();
        while (text.Length < characters)
        {
            text.Append(alphabet[random.Next(alphabet.Length)]);
        }

        return text.ToString();
    }

    /// <summary>The chain by its definition, with 128-bit arithmetic on the whole stream.</summary>
    private static List<ulong> ReferenceChain(byte form, string model, string project, byte[] stream)
    {
        ulong[] k = [0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1];
        ulong hash = Fold(k[0] ^ form, k[1]);
        foreach (byte[] name in new[] { model, project }.Select(Encoding.UTF8.GetBytes))
        {
            hash = Fold(hash ^ k[2], (ulong)name.Length ^ k[3]);
            for (int at = 0; at + 8 <= name.Length; at += 8)
            {
                hash = Fold(hash ^ k[0], BitConverter.ToUInt64(name, at) ^ k[1]);
            }

            byte[] last = [.. name[(name.Length / 8 * 8)..], 0, 0, 0, 0, 0, 0, 0, 0];
            hash = Fold(hash ^ k[2], BitConverter.ToUInt64(last) ^ k[1]);
        }

        var chain = new List<ulong>();
        for (int block = 0; block + 256 <= stream.Length; block += 256)
        {
            ulong[] lanes = [.. k.Select(each => hash ^ each)];
            for (int pair = 0; pair < 16; pair++)
            {
                ulong left = BitConverter.ToUInt64(stream, block + (16 * pair));
                ulong right = BitConverter.ToUInt64(stream, block + (16 * pair) + 8);
                lanes[pair % 4] = Fold(left ^ k[(pair + 1) % 4], right ^ lanes[pair % 4]);
            }

            ulong first = Fold(lanes[0] ^ k[2], ulong.RotateLeft(lanes[1], 23) ^ k[3]);
            ulong second = Fold(lanes[2] ^ k[0], ulong.RotateLeft(lanes[3], 41) ^ k[1]);
            hash = Fold(first ^ k[1], Fold(second ^ k[3], hash ^ k[2]));
            chain.Add(hash);
        }

        return chain;

        static ulong Fold(ulong left, ulong right)
        {
            UInt128 product = (UInt128)left * right;
            return left ^ right ^ (ulong)product ^ (ulong)(product >> 64);
        }
    }
}
