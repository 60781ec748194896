using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.AspNetCore.Server;

namespace Grpc.Reflection;

/// <summary>The .proto files of a server's services, by name and by what they define. Built once, read by any thread.</summary>
internal sealed class SymbolIndex
{
    private readonly Dictionary<string, FileDescriptor> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileDescriptor> _symbols = new(StringComparer.Ordinal);

    public SymbolIndex(ServiceRegistry registry)
    {
        foreach ((string name, ServiceDescriptor? descriptor) in registry.Services)
        {
            Services.Add(name);
            if (descriptor is not null)
            {
                AddFile(descriptor.File);
            }
        }
    }

    /// <summary>The services' full names, in order.</summary>
    public SortedSet<string> Services { get; } = new(StringComparer.Ordinal);

    /// <summary>The file of this name and all that it imports, itself first; empty when there is none.</summary>
    public IReadOnlyList<ByteString> FindFile(string name) => _files.TryGetValue(name, out FileDescriptor? file) ? WithImports(file) : [];

    /// <summary>The file that defines this symbol and all that it imports; empty when there is none.</summary>
    public IReadOnlyList<ByteString> FindSymbol(string symbol) => _symbols.TryGetValue(symbol, out FileDescriptor? file) ? WithImports(file) : [];

    private static List<ByteString> WithImports(FileDescriptor file)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var files = new List<ByteString>();
        Add(file);
        return files;

        void Add(FileDescriptor next)
        {
            if (seen.Add(next.Name))
            {
                files.Add(next.SerializedData);
                foreach (FileDescriptor import in next.Dependencies)
                {
                    Add(import);
                }
            }
        }
    }

    private void AddFile(FileDescriptor file)
    {
        if (!_files.TryAdd(file.Name, file))
        {
            return;
        }

        foreach (FileDescriptor import in file.Dependencies)
        {
            AddFile(import);
        }

        foreach (ServiceDescriptor service in file.Services)
        {
            _symbols[service.FullName] = file;
            foreach (MethodDescriptor method in service.Methods)
            {
                _symbols[method.FullName] = file;
            }
        }

        foreach (EnumDescriptor definition in file.EnumTypes)
        {
            _symbols[definition.FullName] = file;
        }

        foreach (MessageDescriptor message in file.MessageTypes)
        {
            AddMessage(message, file);
        }
    }

    private void AddMessage(MessageDescriptor message, FileDescriptor file)
    {
        _symbols[message.FullName] = file;
        foreach (FieldDescriptor field in message.Fields.InDeclarationOrder())
        {
            _symbols[field.FullName] = file;
        }

        foreach (EnumDescriptor definition in message.EnumTypes)
        {
            _symbols[definition.FullName] = file;
        }

        foreach (MessageDescriptor nested in message.NestedTypes)
        {
            AddMessage(nested, file);
        }
    }
}
