using HelixFlow.Gateway.Authentication;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Limits;

/// <summary>Counts the requests that ask for work, and tells clients what is left to them.</summary>
internal sealed class RateLimitFilter(RateLimits limits) : IEndpointFilter
{
    public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        HttpContext context = invocation.HttpContext;
        if (limits.AreSet && HttpMethods.IsPost(context.Request.Method))
        {
            ProjectLimits project = limits.Of(BearerKey.ProjectOf(context));
            context.Response.OnStarting(() =>
            {
                project.WriteHeaders(context.Response.Headers);
                return Task.CompletedTask;
            });
            project.TakeRequest();
            RateLimits.Enter(project);
        }

        return next(invocation);
    }
}
