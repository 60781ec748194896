using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using HelixFlow.Engine.Cpu.MachineCode;

namespace HelixFlow.Engine.Cpu.Tests.MachineCode;

/// <summary>Our bytes against those of the GNU assembler, for every instruction over random registers, addresses and displacements.</summary>
public sealed class AssemblerTests
{
    private static readonly string[] GeneralNames =
        ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    private readonly Random _random = new(3);
    private readonly Assembler _code = new();
    private readonly List<string> _text = [];
    private readonly List<int> _ends = [];

    [Fact]
    public async Task Encodings_are_those_of_the_gnu_assembler()
    {
        for (int round = 0; round < 300; round++)
        {
            WriteVectors();
            WriteConversionsAndMoves();
            WriteGeneral();
        }

        byte[] expected = await AssembleAsync(_text, TestContext.Current.CancellationToken);

        int start = 0;
        for (int i = 0; i < _text.Count; i++)
        {
            int end = _ends[i];
            Assert.True(end <= expected.Length, $"{_text[i]}: longer than the assembler's");
            Assert.True(
                expected.AsSpan(start..end).SequenceEqual(_code.Code[start..end]),
                $"{_text[i]}: {Convert.ToHexString(_code.Code[start..end])}, not {Convert.ToHexString(expected.AsSpan(start..end))}");
            start = end;
        }

        Assert.Equal(expected.Length, _code.Length);
    }

    [Fact]
    public async Task Jumps_lead_back_to_their_labels()
    {
        _text.Add("first: ret");
        Label first = _code.Here();
        _code.Ret();
        _text.Add("second: vzeroupper");
        Label second = _code.Here();
        _code.Vzeroupper();
        _text.Add("{disp32} jne first");
        _code.JumpIfNotZero(first);
        _text.Add("{disp32} jne second");
        _code.JumpIfNotZero(second);

        Assert.Equal(await AssembleAsync(_text, TestContext.Current.CancellationToken), _code.Code.ToArray());
    }

    private void WriteVectors()
    {
        Three("vpdpbusd", _code.Vpdpbusd, _code.VpdpbusdEach);
        Three("vpdpwssd", _code.Vpdpwssd, _code.VpdpwssdEach);
        Three("vdpbf16ps", _code.Vdpbf16ps, _code.Vdpbf16psEach);
        Three("vpandd", _code.Vpandd, _code.VpanddEach);
        Three("vpord", _code.Vpord, null);
        Three("vpxord", _code.Vpxord, null);
        Three("vpaddd", _code.Vpaddd, _code.VpadddEach);
        Three("vpsubd", _code.Vpsubd, _code.VpsubdEach);
        Three("vmulps", _code.Vmulps, _code.VmulpsEach);
        Three("vfmadd231ps", _code.Vfmadd231ps, _code.Vfmadd231psEach);
        Three("vfnmadd231ps", _code.Vfnmadd231ps, null);
        byte function = (byte)_random.Next(256);
        Three("vpternlogd", (a, b, c) => _code.Vpternlogd(a, b, c, function), (a, b, c) => _code.VpternlogdEach(a, b, c, function), $", {function}");
        int bits = _random.Next(32);
        Two("vpsrlw", (a, b) => _code.Vpsrlw(a, b, bits), $", {bits}");
        Two("vpsllw", (a, b) => _code.Vpsllw(a, b, bits), $", {bits}");
        Two("vpslld", (a, b) => _code.Vpslld(a, b, bits), $", {bits}");
        Two("vcvtdq2ps", _code.Vcvtdq2ps, "");
        (Zmm target, Zmm left, MemoryOperand memory) = (Vector(), Vector(), Memory(64));
        _code.Vpandd(target, left, memory);
        Wrote($"vpandd {Name(target)}, {Name(left)}, zmmword ptr {Name(memory)}");
    }

    private void WriteConversionsAndMoves()
    {
        Load("vcvtph2ps", "ymmword", 32, _code.Vcvtph2ps);
        Load("vpmovzxbd", "xmmword", 16, _code.Vpmovzxbd);
        Load("vpmovsxbd", "xmmword", 16, _code.Vpmovsxbd);
        Load("vpbroadcastd", "dword", 4, _code.VpbroadcastdEach);
        Load("{evex} vmovups", "zmmword", 64, _code.Vmovups);
        Load("vmovdqu32", "zmmword", 64, _code.Vmovdqu32);
        (Zmm source, MemoryOperand memory) = (Vector(), Memory(64));
        _code.Vmovups(memory, source);
        Wrote($"vmovups zmmword ptr {Name(memory)}, {Name(source)}");
        _code.Vzeroupper();
        Wrote("vzeroupper");
    }

    private void WriteGeneral()
    {
        (GeneralRegister a, GeneralRegister b, MemoryOperand memory) = (General(), General(), Memory(1));
        int value = Displacement(1);
        Both("mov", _code.Mov, a, b);
        Both("add", _code.Add, a, b);
        Both("sub", _code.Sub, a, b);
        Both("cmp", _code.Cmp, a, b);
        Both("test", _code.Test, a, b);
        _code.Mov(a, memory);
        Wrote($"mov {Name(a)}, {Name(memory)}");
        _code.Mov(memory, a);
        Wrote($"mov {Name(memory)}, {Name(a)}");
        _code.Mov(memory, value);
        Wrote($"mov qword ptr {Name(memory)}, {value}");
        _code.Mov(a, value);
        Wrote($"mov {Name(a)}, {value}");
        _code.Lea(a, memory);
        Wrote($"lea {Name(a)}, {Name(memory)}");
        _code.Add(a, memory);
        Wrote($"add {Name(a)}, {Name(memory)}");
        _code.Add(a, value);
        Wrote($"add {Name(a)}, {value}");
        _code.Add(memory, value);
        Wrote($"add qword ptr {Name(memory)}, {value}");
        _code.Sub(a, value);
        Wrote($"sub {Name(a)}, {value}");
        _code.Sub(memory, value);
        Wrote($"sub qword ptr {Name(memory)}, {value}");
        _code.PrefetchT0(memory);
        Wrote($"prefetcht0 byte ptr {Name(memory)}");
        _code.Push(a);
        Wrote($"push {Name(a)}");
        _code.Pop(a);
        Wrote($"pop {Name(a)}");
        _code.Ret();
        Wrote("ret");
    }

    private void Three(string name, Action<Zmm, Zmm, Zmm> write, Action<Zmm, Zmm, MemoryOperand>? each, string end = "")
    {
        (Zmm target, Zmm left, Zmm right, MemoryOperand memory) = (Vector(), Vector(), Vector(), Memory(4));
        write(target, left, right);
        Wrote($"{name} {Name(target)}, {Name(left)}, {Name(right)}{end}");
        if (each is not null)
        {
            each(target, left, memory);
            Wrote($"{name} {Name(target)}, {Name(left)}, dword ptr {Name(memory)}{{1to16}}{end}");
        }
    }

    private void Two(string name, Action<Zmm, Zmm> write, string end)
    {
        (Zmm target, Zmm source) = (Vector(), Vector());
        write(target, source);
        Wrote($"{name} {Name(target)}, {Name(source)}{end}");
    }

    private void Load(string name, string size, int bytes, Action<Zmm, MemoryOperand> write)
    {
        (Zmm target, MemoryOperand memory) = (Vector(), Memory(bytes));
        write(target, memory);
        Wrote($"{name} {Name(target)}, {size} ptr {Name(memory)}");
    }

    private void Both(string name, Action<GeneralRegister, GeneralRegister> write, GeneralRegister a, GeneralRegister b)
    {
        write(a, b);
        Wrote($"{name} {Name(a)}, {Name(b)}");
    }

    private void Wrote(string text)
    {
        _text.Add(text);
        _ends.Add(_code.Length);
    }

    private Zmm Vector() => new(_random.Next(32));

    private GeneralRegister General() => (GeneralRegister)_random.Next(16);

    private MemoryOperand Memory(int size)
    {
        GeneralRegister? index = _random.Next(2) == 0 ? null : General();
        index = index == GeneralRegister.Rsp ? null : index;
        return new MemoryOperand(General(), index, index is null ? 1 : 1 << _random.Next(4), Displacement(size));
    }

    // Zero, around the ends of a byte and of a scaled byte, and far.
    private int Displacement(int size) => _random.Next(5) switch
    {
        0 => 0,
        1 => _random.Next(-130, 131),
        2 => size * _random.Next(-130, 131),
        3 => size * (_random.Next(2) == 0 ? 127 : -128),
        _ => _random.Next(int.MinValue, int.MaxValue),
    };

    private static string Name(Zmm register) => string.Create(CultureInfo.InvariantCulture, $"zmm{register.Number}");

    private static string Name(GeneralRegister register) => GeneralNames[(int)register];

    private static string Name(MemoryOperand memory) => string.Create(
        CultureInfo.InvariantCulture,
        $"[{Name(memory.Base)}{(memory.Index is { } index ? $"+{Name(index)}*{memory.Scale}" : "")}{(memory.Displacement == 0 ? "" : $"{memory.Displacement:+#;-#}")}]");

    private static async Task<byte[]> AssembleAsync(IEnumerable<string> lines, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("helixflow-assembler-").FullName;
        try
        {
            string source = Path.Combine(folder, "code.s");
            await File.WriteAllLinesAsync(source, [".intel_syntax noprefix", .. lines], cancellationToken);
            await RunAsync("as", ["--64", "-o", Path.Combine(folder, "code.o"), source], cancellationToken);
            await RunAsync(
                "objcopy", ["-O", "binary", "-j", ".text", Path.Combine(folder, "code.o"), Path.Combine(folder, "code.bin")], cancellationToken);
            return await File.ReadAllBytesAsync(Path.Combine(folder, "code.bin"), cancellationToken);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task RunAsync(string program, string[] arguments, CancellationToken cancellationToken)
    {
        string? path = Environment.GetEnvironmentVariable("PATH")?.Split(Path.PathSeparator).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        Assert.SkipWhen(
            path is null || !OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64,
            "needs the GNU assembler: Debian's package binutils, on x86-64");
        using Process process = Process.Start(new ProcessStartInfo(path!, arguments) { RedirectStandardError = true })!;
        string errors = await process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        Assert.True(process.ExitCode == 0, errors);
    }
}
