using System.Runtime.InteropServices;
using System.Text;

namespace HelixFlow.LlamaCpp;

/// <summary>A GGUF model that llama.cpp has loaded.</summary>
public sealed unsafe class LlamaCppModel : IDisposable
{
    private nint _model;

    internal LlamaCppModel(LlamaCppLibrary library, string path, bool vocabularyOnly)
    {
        Library = library;
        LlamaCppParameters parameters = library.ModelDefaults();
        parameters.SetFlag(LlamaCppParameters.VocabularyOnly, vocabularyOnly);
        nint text = Marshal.StringToCoTaskMemUTF8(path);
        _model = ((delegate* unmanaged[Cdecl]<nint, LlamaCppParameters, nint>)library.Symbol("llama_model_load_from_file"))(text, parameters);
        Marshal.FreeCoTaskMem(text);
        if (_model == 0)
        {
            throw new InvalidOperationException($"llama.cpp cannot load {path}: {LlamaCppLog.LastError}");
        }

        Vocabulary = ((delegate* unmanaged[Cdecl]<nint, nint>)library.Symbol("llama_model_get_vocab"))(_model);
        VocabularySize = ((delegate* unmanaged[Cdecl]<nint, int>)library.Symbol("llama_vocab_n_tokens"))(Vocabulary);
    }

    public int VocabularySize { get; }

    internal LlamaCppLibrary Library { get; }

    private nint Vocabulary { get; }

    internal nint Handle => _model != 0 ? _model : throw new ObjectDisposedException(nameof(LlamaCppModel));

    public LlamaCppContext CreateContext(LlamaCppContextOptions options) => new(this, options);

    /// <summary>Tokenises text as llama.cpp does.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecial">Whether to add the tokens that the model wants at the start and the end.</param>
    /// <param name="parseSpecial">Whether special tokens are recognised in the text.</param>
    public int[] Tokenise(string text, bool addSpecial, bool parseSpecial)
    {
        ObjectDisposedException.ThrowIf(_model == 0, this);
        var tokenize = (delegate* unmanaged[Cdecl]<nint, byte*, int, int*, int, byte, byte, int>)Library.Symbol("llama_tokenize");
        byte[] bytes = Encoding.UTF8.GetBytes(text + '\0');
        var tokens = new int[bytes.Length + 8];
        fixed (byte* input = bytes)
        fixed (int* output = tokens)
        {
            int count = tokenize(Vocabulary, input, bytes.Length - 1, output, tokens.Length, Flag(addSpecial), Flag(parseSpecial));
            return count >= 0 ? tokens[..count] : throw new InvalidOperationException($"llama_tokenize returned {count}");
        }
    }

    public void Dispose()
    {
        if (_model != 0)
        {
            ((delegate* unmanaged[Cdecl]<nint, void>)Library.Symbol("llama_model_free"))(_model);
            _model = 0;
        }
    }

    private static byte Flag(bool value) => value ? (byte)1 : (byte)0;
}
