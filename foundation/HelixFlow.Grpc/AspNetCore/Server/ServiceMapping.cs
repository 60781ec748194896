using System.Reflection;
using Grpc.Core;
using Grpc.Framing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Grpc.AspNetCore.Server;

/// <summary>Makes an endpoint of each method of a service, and answers for methods and services that are not there.</summary>
internal static class ServiceMapping
{
    public static IEndpointConventionBuilder Map<TService>(IEndpointRouteBuilder builder)
        where TService : class
    {
        ServiceRegistry registry = builder.ServiceProvider.GetService<ServiceRegistry>()
            ?? throw new InvalidOperationException("Call services.AddGrpc() before mapping gRPC services.");
        GrpcServiceOptions options = builder.ServiceProvider.GetRequiredService<IOptions<GrpcServiceOptions>>().Value;
        ILogger logger = builder.ServiceProvider.GetRequiredService<ILoggerFactory>().CreateLogger("Grpc.AspNetCore.Server");
        var binder = new EndpointBinder<TService>(builder, options, logger);
        (Type bindType, MethodInfo bind) = FindBinding(typeof(TService));
        bind.Invoke(null, [binder, null]);
        var descriptor = bindType.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)?.GetValue(null) as Google.Protobuf.Reflection.ServiceDescriptor;
        foreach (string service in binder.Services)
        {
            registry.Add(service, descriptor);
            if (options.IgnoreUnknownServices == true)
            {
                continue;
            }

            binder.Endpoints.Add(MapMissing(builder, $"{service}/{{**method}}", options, logger, "The service has no such method."));
        }

        if (options.IgnoreUnknownServices != true && registry.TakeUnknown())
        {
            MapMissing(builder, "{service:required}/{method:required}", options, logger, "The server has no such service.")
                .Add(static endpoint => ((RouteEndpointBuilder)endpoint).Order = int.MaxValue);
        }

        return new Conventions(binder.Endpoints);
    }

    /// <summary>The generated class that binds a service, and its method.</summary>
    private static (Type BindType, MethodInfo Bind) FindBinding(Type service)
    {
        for (Type? type = service; type is not null; type = type.BaseType)
        {
            if (type.GetCustomAttribute<BindServiceMethodAttribute>(inherit: false) is { } attribute)
            {
                MethodInfo method = attribute.BindType.GetMethod(
                    attribute.BindMethodName, BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static, [typeof(ServiceBinderBase), type])
                    ?? throw new InvalidOperationException($"{attribute.BindType} has no method {attribute.BindMethodName}(ServiceBinderBase, {type.Name}).");
                return (attribute.BindType, method);
            }
        }

        throw new InvalidOperationException($"{service} derives from no class that was generated for a gRPC service.");
    }

    // Other requests than gRPC's are left to the host's own fallback.
    private static IEndpointConventionBuilder MapMissing(IEndpointRouteBuilder builder, string pattern, GrpcServiceOptions options, ILogger logger, string detail)
    {
        IEndpointConventionBuilder endpoint = builder.MapPost(pattern, context => GrpcHeaders.IsGrpc(context.Request.ContentType)
            ? ServerCall.RunAsync(context, pattern, options, logger, _ => throw new RpcException(new Status(StatusCode.Unimplemented, detail)))
            : NotFoundAsync(context));
        endpoint.Add(static endpoint => ((RouteEndpointBuilder)endpoint).Order = int.MaxValue - 1);
        endpoint.WithDisplayName("gRPC - unimplemented " + pattern);
        return endpoint;
    }

    private static Task NotFoundAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }

    private sealed class Conventions(List<IEndpointConventionBuilder> endpoints) : IEndpointConventionBuilder
    {
        public void Add(Action<EndpointBuilder> convention) => endpoints.ForEach(endpoint => endpoint.Add(convention));
    }
}

/// <summary>Takes the methods that generated code lists and maps the implementation's methods of the same names.</summary>
internal sealed class EndpointBinder<TService>(IEndpointRouteBuilder builder, GrpcServiceOptions options, ILogger logger) : ServiceBinderBase
    where TService : class
{
    private static readonly ObjectFactory<TService> Create = ActivatorUtilities.CreateFactory<TService>([]);

    public HashSet<string> Services { get; } = new(StringComparer.Ordinal);

    public List<IEndpointConventionBuilder> Endpoints { get; } = [];

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Find<Func<TService, TRequest, ServerCallContext, Task<TResponse>>>(method, typeof(TRequest), typeof(ServerCallContext));
        Map(method, async (service, call) =>
        {
            TRequest request = await call.ReadSingleAsync(method.RequestMarshaller).ConfigureAwait(false);
            TResponse response = await invoke(service, request, call).ConfigureAwait(false);
            await call.WriteSingleAsync(method.ResponseMarshaller, response).ConfigureAwait(false);
        });
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Find<Func<TService, IAsyncStreamReader<TRequest>, ServerCallContext, Task<TResponse>>>(
            method, typeof(IAsyncStreamReader<TRequest>), typeof(ServerCallContext));
        Map(method, async (service, call) =>
        {
            TResponse response = await invoke(service, new ServerStreamReader<TRequest>(call, method.RequestMarshaller), call).ConfigureAwait(false);
            await call.WriteSingleAsync(method.ResponseMarshaller, response).ConfigureAwait(false);
        });
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Find<Func<TService, TRequest, IServerStreamWriter<TResponse>, ServerCallContext, Task>>(
            method, typeof(TRequest), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        Map(method, async (service, call) =>
        {
            TRequest request = await call.ReadSingleAsync(method.RequestMarshaller).ConfigureAwait(false);
            await invoke(service, request, new ServerStreamWriter<TResponse>(call, method.ResponseMarshaller), call).ConfigureAwait(false);
        });
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        var invoke = Find<Func<TService, IAsyncStreamReader<TRequest>, IServerStreamWriter<TResponse>, ServerCallContext, Task>>(
            method, typeof(IAsyncStreamReader<TRequest>), typeof(IServerStreamWriter<TResponse>), typeof(ServerCallContext));
        Map(method, (service, call) => invoke(
            service, new ServerStreamReader<TRequest>(call, method.RequestMarshaller), new ServerStreamWriter<TResponse>(call, method.ResponseMarshaller), call));
    }

    private static TDelegate Find<TDelegate>(IMethod method, params Type[] parameters)
        where TDelegate : Delegate =>
        (typeof(TService).GetMethod(method.Name, BindingFlags.Public | BindingFlags.Instance, parameters)
            ?? throw new InvalidOperationException($"{typeof(TService)} has no method {method.Name} for {method.FullName}.")).CreateDelegate<TDelegate>();

    private void Map(IMethod method, Func<TService, ServerCall, Task> invoke)
    {
        Services.Add(method.ServiceName);
        Endpoints.Add(builder.Map(RoutePatternFactory.Parse(method.FullName), context => ServerCall.RunAsync(context, method.FullName, options, logger, call => ServeAsync(call, invoke)))
            .WithDisplayName("gRPC - " + method.FullName));
    }

    private static async Task ServeAsync(ServerCall call, Func<TService, ServerCall, Task> invoke)
    {
        IServiceProvider services = call.HttpContext.RequestServices;
        if (services.GetService<TService>() is { } registered)
        {
            await invoke(registered, call).ConfigureAwait(false);
            return;
        }

        TService own = Create(services, null);
        try
        {
            await invoke(own, call).ConfigureAwait(false);
        }
        finally
        {
            switch (own)
            {
                case IAsyncDisposable asynchronous:
                    await asynchronous.DisposeAsync().ConfigureAwait(false);
                    break;
                case IDisposable disposable:
                    disposable.Dispose();
                    break;
            }
        }
    }
}
