using Google.Protobuf.Reflection;

namespace HelixFlow.Schemas.Tests;

/// <summary>A contract as lines of text, one for each thing that must never change once it is released.</summary>
/// <remarks>Each line has a key, which says what it is about, and a value, which must stay: for example "field a.B.c" and "3 optional string".</remarks>
internal static class Contract
{
    public static SortedDictionary<string, string> Describe(FileDescriptor file)
    {
        var lines = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["package " + file.Package] = file.Name };
        foreach (MessageDescriptor message in file.MessageTypes)
        {
            Add(lines, message);
        }

        foreach (EnumDescriptor definition in file.EnumTypes)
        {
            Add(lines, definition);
        }

        foreach (MethodDescriptor method in file.Services.SelectMany(service => service.Methods))
        {
            lines["method " + method.FullName] =
                $"{(method.IsClientStreaming ? "stream " : "")}{method.InputType.FullName} -> {(method.IsServerStreaming ? "stream " : "")}{method.OutputType.FullName}";
        }

        return lines;
    }

    /// <summary>What a new version of a contract breaks: everything recorded must be there, unchanged, or reserved.</summary>
    public static IEnumerable<string> FindBreaks(IReadOnlyDictionary<string, string> recorded, IReadOnlyDictionary<string, string> now)
    {
        foreach ((string key, string value) in recorded)
        {
            if (now.TryGetValue(key, out string? present))
            {
                if (present != value)
                {
                    yield return $"{key}: was \"{value}\", is \"{present}\"";
                }
            }
            else if (!IsReserved(key, value, now))
            {
                yield return $"{key}: was \"{value}\", is gone and not reserved";
            }
        }
    }

    private static bool IsReserved(string key, string value, IReadOnlyDictionary<string, string> now)
    {
        if (!key.StartsWith("field ", StringComparison.Ordinal) && !key.StartsWith("value ", StringComparison.Ordinal))
        {
            return false;
        }

        string path = key[(key.IndexOf(' ', StringComparison.Ordinal) + 1)..];
        int dot = path.LastIndexOf('.');
        string number = value.Split(' ')[0];
        return now.ContainsKey($"reserved {path[..dot]} {number}") && now.ContainsKey($"reserved {path[..dot]} {path[(dot + 1)..]}");
    }

    private static void Add(SortedDictionary<string, string> lines, MessageDescriptor message)
    {
        DescriptorProto proto = message.ToProto();
        if (proto.Options?.MapEntry == true)
        {
            return;
        }

        lines["message " + message.FullName] = "";
        foreach (FieldDescriptor field in message.Fields.InDeclarationOrder())
        {
            string type = field.FieldType switch
            {
                FieldType.Message => field.IsMap ? $"map<{TypeOf(field.MessageType.Fields[1])}, {TypeOf(field.MessageType.Fields[2])}>" : field.MessageType.FullName,
                _ => TypeOf(field),
            };
            string presence = field.IsMap ? "map" : field.IsRepeated ? "repeated" : field.ContainingOneof is { IsSynthetic: false } choice ? "oneof " + choice.Name : field.HasPresence ? "optional" : "plain";
            lines["field " + field.FullName] = $"{field.FieldNumber} {presence} {type}";
        }

        foreach (DescriptorProto.Types.ReservedRange range in proto.ReservedRange)
        {
            for (int number = range.Start; number < range.End; number++)
            {
                lines[$"reserved {message.FullName} {number}"] = "";
            }
        }

        foreach (string name in proto.ReservedName)
        {
            lines[$"reserved {message.FullName} {name}"] = "";
        }

        foreach (MessageDescriptor nested in message.NestedTypes)
        {
            Add(lines, nested);
        }

        foreach (EnumDescriptor nested in message.EnumTypes)
        {
            Add(lines, nested);
        }
    }

    private static void Add(SortedDictionary<string, string> lines, EnumDescriptor definition)
    {
        lines["enum " + definition.FullName] = "";
        foreach (EnumValueDescriptor value in definition.Values)
        {
            lines[$"value {definition.FullName}.{value.Name}"] = value.Number.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    private static string TypeOf(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Message => field.MessageType.FullName,
        FieldType.Enum => field.EnumType.FullName,
        _ => field.FieldType.ToString().ToLowerInvariant(),
    };
}
