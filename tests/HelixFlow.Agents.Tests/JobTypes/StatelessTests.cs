using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using HelixFlow.Agents.JobTypes;
using HelixFlow.Agents.JobTypes.Agents.Tools;
using HelixFlow.Agents.Runs;

namespace HelixFlow.Agents.Tests.JobTypes;

/// <summary>One job type serves all runs at once, and what it would remember would be lost with its process: job types and executors hold nothing that changes.</summary>
public sealed class StatelessTests
{
    private static readonly Assembly _product = typeof(IJobType).Assembly;

    // Ways to other processes and what is known of those, which belong to the host and hold nothing of a run; and types that say of themselves that they are immutable.
    private static readonly string[] _services =
        ["IModelClient", "ISearchProvider", "ToolHost", "WebFetcher", "TimeProvider", "ILogger`1", "HandlerManifest", "HandlerMetrics", "HandlerQuarantine", "ValueSchema"];

    public static TheoryData<Type> JobTypes => [.. _product.GetTypes().Where(static type => type is { IsClass: true, IsAbstract: false } && type.IsAssignableTo(typeof(IJobType)))];

    // Objects that are made for one attempt, and say so by having its run, are not shared.
    public static TheoryData<Type> Holders => [.. _product.GetTypes().Where(static type =>
        Fields(type).Any(static member => IsExecutor(member.FieldType)) && !Fields(type).Any(static member => member.FieldType == typeof(Run)) && !type.IsDefined(typeof(CompilerGeneratedAttribute)))];

    [Theory]
    [MemberData(nameof(JobTypes))]
    public void A_job_type_holds_nothing_that_changes(Type type) => Check(type);

    [Theory]
    [MemberData(nameof(Holders))]
    public void Whoever_has_executors_holds_nothing_that_changes(Type type) => Check(type);

    [Fact]
    public void The_check_finds_what_it_is_for()
    {
        Assert.True(JobTypes.Count >= 4);
        Assert.Throws<Xunit.Sdk.TrueException>(static () => Check(typeof(Forgetful)));
        Assert.Throws<Xunit.Sdk.TrueException>(static () => Check(typeof(Collecting)));
        Assert.Throws<Xunit.Sdk.TrueException>(static () => Check(typeof(Nested)));
    }

    private static void Check(Type type)
    {
        foreach (FieldInfo field in Fields(type))
        {
            bool isParameter = field.Name.EndsWith(">P", StringComparison.Ordinal); // of a primary constructor, which C# cannot mark
            Assert.True(field.IsInitOnly || field.IsLiteral || isParameter, $"{type.Name}.{field.Name} can be changed.");
            Assert.True(IsImmutable(field.FieldType, []), $"{type.Name}.{field.Name} is of type {field.FieldType.Name}, which can be changed.");
        }
    }

    private static IEnumerable<FieldInfo> Fields(Type type) =>
        type.GetFields(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Where(static field => !(field.IsStatic && field.Name.StartsWith("<>", StringComparison.Ordinal))); // the compiler's own caches of delegates

    private static bool IsImmutable(Type type, HashSet<Type> seen)
    {
        if (!seen.Add(type) || type.IsPrimitive || type.IsEnum || type == typeof(string) || type == typeof(JsonElement) || type == typeof(TimeSpan) || type == typeof(decimal) || type.IsAssignableTo(typeof(Encoding))
            || IsExecutor(type) || _services.Contains(type.Name))
        {
            return true;
        }

        if (type.IsArray || typeof(Delegate).IsAssignableFrom(type))
        {
            return false;
        }

        if (type.IsInterface)
        {
            return type.Name.StartsWith("IReadOnly", StringComparison.Ordinal) && type.GetGenericArguments().All(argument => IsImmutable(argument, seen));
        }

        if (typeof(IEnumerable).IsAssignableFrom(type))
        {
            return type.Name.StartsWith("Frozen", StringComparison.Ordinal) || type.Name.StartsWith("Immutable", StringComparison.Ordinal);
        }

        return type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).All(field => field.IsInitOnly && IsImmutable(field.FieldType, seen));
    }

    private static bool IsExecutor(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(StepExecutor<,>);

#pragma warning disable CS0414, CS0169, IDE0044, IDE0051, IDE0052, CA1823 // what must not be is written here on purpose
    private sealed class Forgetful
    {
        private int _runs;
    }

    private sealed class Collecting
    {
        private readonly List<string> _seen = [];
    }

    private sealed class Nested
    {
        private readonly Forgetful _inner = new();
    }
#pragma warning restore CS0414, CS0169, IDE0044, IDE0051, IDE0052, CA1823
}
