using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Schemas;

/// <summary>
/// The hash chain over a request's prompt by which nodes say what their prefix caches hold and gateways ask for it. Equal first hashes mean
/// equal first bytes of the prompt, for the same model and the same project.
/// </summary>
/// <remarks>
/// <para>
/// The prompt is a stream of bytes: for a conversation the tool definitions, 0xFF, the template's variables, 0xFF, the messages, all in UTF-8
/// (in which 0xFF never appears); for plain text its UTF-8; for token ids four bytes each, little-endian. The stream is cut into blocks of
/// <see cref="BlockBytes"/>; hash <c>i</c> covers blocks <c>0..i</c>, the model, the project and the form of the prompt. The rest that fills
/// no block is left out, so the next turn of a conversation repeats the hashes of the one before.
/// </para>
/// <para>
/// The function is part of the contract between nodes and gateways of different versions: never change it, add another one. It mixes with the
/// folded 64×64→128-bit product known from wyhash, each factor kept in the result so that a factor of zero loses nothing. It is no
/// cryptographic hash: it guides requests, it does not decide what a node may reuse. Pure and thread-safe; allocates nothing.
/// </para>
/// </remarks>
public static class PromptChain
{
    /// <summary>Bytes of a block: about 64 tokens of English text.</summary>
    public const int BlockBytes = 256;

    /// <summary>Longest chain: 128 KiB of prompt. What is shared beyond it is not seen.</summary>
    public const int MaxBlocks = 512;

    private const int StagedBytes = 8 * BlockBytes;

    // Odd, without visible pattern: the first 64-bit words of the fractional parts of the square roots of 2, 3, 5 and 7, lowest bit set.
    private const ulong K0 = 0x6A09E667F3BCC909;
    private const ulong K1 = 0xBB67AE8584CAA73B;
    private const ulong K2 = 0x3C6EF372FE94F82B;
    private const ulong K3 = 0xA54FF53A5F1D36F1;

    private const byte ChatForm = 1;
    private const byte TextForm = 2;
    private const byte TokensForm = 3;

    private static ReadOnlySpan<byte> Separator => [0xFF];

    /// <summary>Writes the chain of the request's prompt, first block first.</summary>
    /// <param name="request">The request; a prompt of no form has an empty chain.</param>
    /// <param name="hashes">Where to write; a span shorter than <see cref="MaxBlocks"/> bounds the chain further.</param>
    /// <returns>How many hashes were written.</returns>
    public static int Compute(GenerateRequest request, Span<ulong> hashes)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (hashes.Length > MaxBlocks)
        {
            hashes = hashes[..MaxBlocks];
        }

        Span<byte> staged = stackalloc byte[StagedBytes];
        switch (request.PromptCase)
        {
            case GenerateRequest.PromptOneofCase.Chat:
                var chat = new Chain(Seed(request, ChatForm), hashes, staged);
                chat.Append(request.Chat.ToolsJson);
                chat.Append(Separator);
                chat.Append(request.Chat.TemplateVariablesJson);
                chat.Append(Separator);
                chat.Append(request.Chat.MessagesJson);
                return chat.Finish();

            case GenerateRequest.PromptOneofCase.Text:
                var text = new Chain(Seed(request, TextForm), hashes, staged);
                text.Append(request.Text);
                return text.Finish();

            case GenerateRequest.PromptOneofCase.Tokens:
                var tokens = new Chain(Seed(request, TokensForm), hashes, staged);
                Span<byte> id = stackalloc byte[sizeof(int)];
                for (int at = 0; at < request.Tokens.Ids.Count && !tokens.IsFull; at++)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(id, request.Tokens.Ids[at]);
                    tokens.Append(id);
                }

                return tokens.Finish();

            default:
                return 0;
        }
    }

    /// <summary>The value that the first block is chained to: no two (model, project, form) share one but by chance.</summary>
    private static ulong Seed(GenerateRequest request, byte form)
    {
        ulong hash = Fold(K0 ^ form, K1);
        hash = Text(hash, request.Model);
        return Text(hash, request.Project);
    }

    private static ulong Text(ulong hash, string text)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
        ReadOnlySpan<byte> bytes = rented.AsSpan(0, Encoding.UTF8.GetBytes(text, rented));
        hash = Fold(hash ^ K2, (ulong)bytes.Length ^ K3);
        while (bytes.Length >= sizeof(ulong))
        {
            hash = Fold(hash ^ K0, BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ K1);
            bytes = bytes[sizeof(ulong)..];
        }

        ulong last = 0;
        for (int at = bytes.Length - 1; at >= 0; at--)
        {
            last = (last << 8) | bytes[at];
        }

        ArrayPool<byte>.Shared.Return(rented);
        return Fold(hash ^ K2, last ^ K1);
    }

    /// <summary>The hash of a whole block behind another one. Four lanes, so that the multiplications overlap.</summary>
    private static ulong Block(ulong previous, ReadOnlySpan<byte> block)
    {
        ulong a = previous ^ K0, b = previous ^ K1, c = previous ^ K2, d = previous ^ K3;
        for (int at = 0; at < BlockBytes; at += 64)
        {
            a = Fold(Word(block, at) ^ K1, Word(block, at + 8) ^ a);
            b = Fold(Word(block, at + 16) ^ K2, Word(block, at + 24) ^ b);
            c = Fold(Word(block, at + 32) ^ K3, Word(block, at + 40) ^ c);
            d = Fold(Word(block, at + 48) ^ K0, Word(block, at + 56) ^ d);
        }

        ulong first = Fold(a ^ K2, BitOperations.RotateLeft(b, 23) ^ K3);
        ulong second = Fold(c ^ K0, BitOperations.RotateLeft(d, 41) ^ K1);
        return Fold(first ^ K1, Fold(second ^ K3, previous ^ K2));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.Slice(at, sizeof(ulong)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Fold(ulong left, ulong right)
    {
        ulong high = Math.BigMul(left, right, out ulong low);
        return left ^ low ^ right ^ high;
    }

    /// <summary>Cuts what is appended into blocks and hashes each as soon as it is whole.</summary>
    [StructLayout(LayoutKind.Auto)]
    private ref struct Chain(ulong seed, Span<ulong> hashes, Span<byte> staged)
    {
        private readonly Span<ulong> _hashes = hashes;
        private readonly Span<byte> _staged = staged; // the bytes that fill no block yet, then free space
        private ulong _last = seed;
        private int _bytes;
        private int _blocks;

        public readonly bool IsFull => _blocks == _hashes.Length;

        public void Append(string text)
        {
            ReadOnlySpan<char> rest = text;
            while (rest.Length > 0 && !IsFull)
            {
                // At least one character fits, because at most BlockBytes - 1 bytes are left over. Lone surrogates become U+FFFD,
                // as they do when the request is written to the wire.
                Utf8.FromUtf16(rest, _staged[_bytes..], out int read, out int written);
                rest = rest[read..];
                _bytes += written;
                HashWholeBlocks();
            }
        }

        public void Append(ReadOnlySpan<byte> few)
        {
            if (IsFull)
            {
                return;
            }

            few.CopyTo(_staged[_bytes..]);
            _bytes += few.Length;
            HashWholeBlocks();
        }

        public readonly int Finish() => _blocks;

        private void HashWholeBlocks()
        {
            int at = 0;
            while (_bytes - at >= BlockBytes && !IsFull)
            {
                _last = Block(_last, _staged.Slice(at, BlockBytes));
                _hashes[_blocks++] = _last;
                at += BlockBytes;
            }

            if (at > 0)
            {
                _staged[at.._bytes].CopyTo(_staged);
                _bytes -= at;
            }
        }
    }
}
