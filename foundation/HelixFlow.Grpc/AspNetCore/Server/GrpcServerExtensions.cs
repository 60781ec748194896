using System.Diagnostics.CodeAnalysis;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection.Extensions;

#pragma warning disable IDE0130 // the official API's namespaces
namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Adds gRPC to a host.</summary>
    public static class GrpcServicesExtensions
    {
        public static IServiceCollection AddGrpc(this IServiceCollection services) => services.AddGrpc(static _ => { });

        /// <summary>Lets services be mapped with <c>MapGrpcService</c>. Endpoints must speak HTTP/2.</summary>
        public static IServiceCollection AddGrpc(this IServiceCollection services, Action<GrpcServiceOptions> configureOptions)
        {
            services.Configure(configureOptions);
            services.AddRouting();
            services.TryAddSingleton<ServiceRegistry>();
            return services;
        }
    }
}

namespace Microsoft.AspNetCore.Builder
{
    /// <summary>Maps gRPC services.</summary>
    public static class GrpcEndpointRouteBuilderExtensions
    {
        /// <summary>
        /// Serves the methods of a service by <typeparamref name="TService"/>, which derives from the base class generated for it. An instance is
        /// taken from the container if it is registered there, else made for each call.
        /// </summary>
        /// <exception cref="InvalidOperationException"><c>AddGrpc</c> was not called, or the type derives from no generated base class.</exception>
        public static IEndpointConventionBuilder MapGrpcService<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.All)] TService>(this IEndpointRouteBuilder builder)
            where TService : class => ServiceMapping.Map<TService>(builder);
    }
}
