using System.Buffers.Binary;

namespace HelixFlow.Grpc.Tests.Wire;

/// <summary>Reads one direction of a plain HTTP/2 connection and notes the compression flag of each gRPC message, by stream. Thread-safe.</summary>
/// <remarks>The libraries on either side have no say in it: what is noted is what was on the wire.</remarks>
internal sealed class MessageFlags(bool hasPreface)
{
    private const int FrameHeaderSize = 9;
    private const int MessageHeaderSize = 5;
    private const int PrefaceSize = 24;
    private const byte DataFrame = 0;
    private const byte Padded = 0x8;

    private readonly Lock _reading = new();
    private readonly byte[] _frameHeader = new byte[FrameHeaderSize];
    private readonly SortedDictionary<int, Messages> _streams = [];
    private int _preface = hasPreface ? PrefaceSize : 0;
    private int _headerFilled;
    private int _payloadLeft;
    private int _padding;
    private bool _atPadLength;

    /// <summary>Whether each message so far was compressed, stream after stream.</summary>
    public bool[] All
    {
        get
        {
            lock (_reading)
            {
                return [.. _streams.Values.SelectMany(messages => messages.Compressed)];
            }
        }
    }

    /// <summary>Whether this message of a stream, counted from 0, was compressed.</summary>
    public bool Of(int stream, int message)
    {
        lock (_reading)
        {
            return _streams[stream].Compressed[message];
        }
    }

    public void Read(ReadOnlySpan<byte> bytes)
    {
        lock (_reading)
        {
            while (!bytes.IsEmpty)
            {
                bytes = bytes[Take(bytes)..];
            }
        }
    }

    /// <summary>Takes some bytes, at least one, and returns how many.</summary>
    private int Take(ReadOnlySpan<byte> bytes)
    {
        if (_preface > 0)
        {
            int skipped = Math.Min(_preface, bytes.Length);
            _preface -= skipped;
            return skipped;
        }

        if (_headerFilled < FrameHeaderSize)
        {
            int taken = Math.Min(FrameHeaderSize - _headerFilled, bytes.Length);
            bytes[..taken].CopyTo(_frameHeader.AsSpan(_headerFilled));
            _headerFilled += taken;
            if (_headerFilled == FrameHeaderSize)
            {
                StartPayload();
            }

            return taken;
        }

        if (_atPadLength)
        {
            _padding = bytes[0];
            _atPadLength = false;
            FinishPayload(1);
            return 1;
        }

        int length = Math.Min(_payloadLeft, bytes.Length);
        if (_frameHeader[3] == DataFrame)
        {
            Stream().Read(bytes[..Math.Min(length, Math.Max(0, _payloadLeft - _padding))]);
        }

        FinishPayload(length);
        return length;
    }

    private void StartPayload()
    {
        _payloadLeft = (_frameHeader[0] << 16) | (_frameHeader[1] << 8) | _frameHeader[2];
        _padding = 0;
        _atPadLength = _frameHeader[3] == DataFrame && (_frameHeader[4] & Padded) != 0;
        FinishPayload(0);
    }

    private void FinishPayload(int taken)
    {
        _payloadLeft -= taken;
        if (_payloadLeft == 0)
        {
            _headerFilled = 0;
        }
    }

    private Messages Stream()
    {
        int id = BinaryPrimitives.ReadInt32BigEndian(_frameHeader.AsSpan(5)) & int.MaxValue;
        if (!_streams.TryGetValue(id, out Messages? messages))
        {
            _streams.Add(id, messages = new Messages());
        }

        return messages;
    }

    /// <summary>The messages of one stream.</summary>
    private sealed class Messages
    {
        private readonly byte[] _header = new byte[MessageHeaderSize];
        private int _headerFilled;
        private long _left;

        public List<bool> Compressed { get; } = [];

        public void Read(ReadOnlySpan<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                if (_left > 0)
                {
                    int skipped = (int)Math.Min(_left, bytes.Length);
                    _left -= skipped;
                    bytes = bytes[skipped..];
                    continue;
                }

                _header[_headerFilled++] = bytes[0];
                bytes = bytes[1..];
                if (_headerFilled == MessageHeaderSize)
                {
                    _headerFilled = 0;
                    _left = BinaryPrimitives.ReadUInt32BigEndian(_header.AsSpan(1));
                    Compressed.Add(_header[0] == 1);
                }
            }
        }
    }
}
