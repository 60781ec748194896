using Grpc.Reflection;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection.Extensions;

#pragma warning disable IDE0130 // the official API's namespaces
namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Adds server reflection to a host.</summary>
    public static class GrpcReflectionServiceExtensions
    {
        public static IServiceCollection AddGrpcReflection(this IServiceCollection services)
        {
            services.AddGrpc();
            services.TryAddSingleton<SymbolIndex>();
            services.TryAddSingleton<ReflectionService>();
            return services;
        }
    }
}

namespace Microsoft.AspNetCore.Builder
{
    /// <summary>Maps server reflection.</summary>
    public static class GrpcReflectionEndpointRouteBuilderExtensions
    {
        /// <summary>Serves reflection of all mapped services, under its present and its older name.</summary>
        public static void MapGrpcReflectionService(this IEndpointRouteBuilder builder)
        {
            builder.MapGrpcService<ReflectionService>();
            builder.MapGrpcService<ReflectionV1AlphaService>();
        }
    }
}
