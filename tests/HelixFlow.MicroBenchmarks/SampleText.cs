using System.Text;

namespace HelixFlow.MicroBenchmarks;

/// <summary>Texts made by seed from lists of common words.</summary>
internal static class SampleText
{
    private static readonly string[] English =
        "the of and to in is that it was for on are with as be at by have from or had not but what all were when we there can an which their said if do will each about how up out them then she many some so these would other into has more two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know get through back much before go good new write our used me man too any day same right look think also around another came come work three must because does part even place well such here take why things help put years different away again off went old number great tell men say small every found still between name should home big give air line set own under read last never us left end along while might next sound below saw something thought both few those always".Split(' ');
    private static readonly string[] Code = "public static int long string return new var for if else while foreach private readonly class sealed void null true false await async Task List Dictionary span.Length buffer[index] context.Step(1); _count++; value => result.Add(item); (x + y) * 2 { } // [] \"text\" 0x1F != == <= && ||".Split(' ');
    private static readonly string[] Chinese = "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我们 可以 时间 问题 工作 系统 使用 数据 文件 方法 类型 错误 程序 没有 如果 因为 所以 但是 或者 以及 开始 结束 服务器 客户端 模型 语言 学习 , 。 , 。".Split(' ');

    public static string Make(string kind, int length)
    {
        (string[] words, string between) = kind switch { "code" => (Code, " "), "chinese" => (Chinese, ""), _ => (English, " ") };
        var random = new Random(7);
        var text = new StringBuilder();
        while (text.Length < length)
        {
            // Squaring prefers the first words, as language does.
            double place = random.NextDouble();
            text.Append(words[(int)(place * place * words.Length)]).Append(random.Next(14) == 0 ? kind == "code" ? "\n    " : ". " : between);
        }

        return text.ToString(0, length);
    }
}
