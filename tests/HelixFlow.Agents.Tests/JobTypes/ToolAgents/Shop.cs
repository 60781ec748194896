using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace HelixFlow.Agents.Tests.JobTypes.ToolAgents;

/// <summary>A real server with an OpenAPI document, which writes down what it was asked.</summary>
internal sealed class Shop : IAsyncDisposable
{
    private readonly WebApplication _app;

    private Shop(WebApplication app)
    {
        _app = app;
    }

    /// <summary>What came in: method, path with query, and the headers and body that tests look at.</summary>
    public ConcurrentQueue<(string Line, string? Key, string? Authorization, string Body)> Requests { get; } = new();

    /// <summary>Called while an order is taken: the place for a test to do something meanwhile.</summary>
    public Func<Task> OnOrder { get; set; } = static () => Task.CompletedTask;

    public string Url => _app.Urls.First();

    public JsonObject Document(string? server = null)
    {
        JsonObject document = JsonNode.Parse("""
            {
              "openapi": "3.0.3",
              "info": { "title": "Shop", "version": "1" },
              "paths": {
                "/items/{id}": {
                  "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
                  "get": {
                    "operationId": "getItem", "summary": "Reads an item.",
                    "parameters": [
                      { "name": "fields", "in": "query", "schema": { "type": "array", "items": { "type": "string" } } },
                      { "name": "tags", "in": "query", "explode": false, "schema": { "type": "array", "items": { "type": "string" } } },
                      { "name": "id", "in": "query", "schema": { "type": "integer", "nullable": true } },
                      { "name": "X-Trace", "in": "header", "schema": { "type": "string" } },
                      { "name": "session", "in": "cookie", "schema": { "type": "string" } }
                    ],
                    "responses": { "200": { "description": "It." } }
                  },
                  "put": {
                    "operationId": "putItem", "summary": "Writes an item.",
                    "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Item" } } } },
                    "responses": { "200": { "description": "Done." } }
                  },
                  "delete": { "operationId": "deleteItem", "responses": { "204": { "description": "Gone." } } }
                },
                "/orders": {
                  "post": {
                    "operationId": "createOrder", "summary": "Places an order.",
                    "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Order" } } } },
                    "responses": { "201": { "description": "Placed." } }
                  }
                },
                "/big": { "get": { "operationId": "big", "responses": { "200": { "description": "Much." } } } },
                "/slow": { "get": { "operationId": "slow", "responses": { "200": { "description": "Never." } } }, "post": { "operationId": "slowPost", "responses": { "200": { "description": "Never." } } } },
                "/away": { "get": { "operationId": "away", "responses": { "302": { "description": "Elsewhere." } } } },
                "/picture": { "get": { "operationId": "picture", "responses": { "200": { "description": "A picture." } } } },
                "/echo": { "get": { "operationId": "echo", "responses": { "200": { "description": "What was sent." } } } },
                "/upload": { "post": { "operationId": "upload", "requestBody": { "required": true, "content": { "image/png": {} } }, "responses": {} } }
              },
              "components": { "schemas": {
                "Item": { "type": "object", "properties": { "id": { "type": "string", "readOnly": true }, "name": { "type": "string" }, "price": { "type": "number", "minimum": 0, "exclusiveMinimum": true } }, "required": ["id", "name"] },
                "Order": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "type": "object", "properties": { "count": { "type": "integer", "format": "int32" }, "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Order" } } }, "required": ["count"] }] },
                "Base": { "type": "object", "properties": { "item": { "type": "string" } }, "required": ["item"] }
              } }
            }
            """)!.AsObject();
        document["servers"] = new JsonArray(new JsonObject { ["url"] = server ?? Url });
        return document;
    }

    public JsonObject Tool(params string[] only)
    {
        var tool = new JsonObject { ["type"] = "openapi", ["name"] = "shop", ["document"] = Document() };
        if (only.Length > 0)
        {
            tool["only"] = new JsonArray([.. only.Select(static name => (JsonNode)name)]);
        }

        return tool;
    }

    public static async Task<Shop> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        var shop = new Shop(app);
        app.Run(shop.AnswerAsync);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return shop;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(true));
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        string body = await reader.ReadToEndAsync(context.RequestAborted);
        string line = $"{context.Request.Method} {context.Request.Path.ToUriComponent()}{context.Request.QueryString}";
        Requests.Enqueue((line, context.Request.Headers["Idempotency-Key"].FirstOrDefault(), context.Request.Headers.Authorization.FirstOrDefault(), body));
        switch (context.Request.Path.Value)
        {
            case "/orders":
                await OnOrder();
                context.Response.StatusCode = 201;
                await context.Response.WriteAsJsonAsync(JsonElement.Parse("""{"order":1}"""), context.RequestAborted);
                break;
            case "/big":
                context.Response.ContentType = "text/plain";
                byte[] much = new byte[1 << 16];
                Array.Fill(much, (byte)'b');
                try
                {
                    while (true) // as long as somebody reads
                    {
                        await context.Response.Body.WriteAsync(much, context.RequestAborted);
                    }
                }
                catch (OperationCanceledException)
                {
                    break;
                }

            case "/slow":
                try
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted);
                }
                catch (OperationCanceledException)
                {
                    // The client has given up.
                }

                break;
            case "/away":
                context.Response.Redirect("http://169.254.169.254/latest");
                break;
            case "/picture":
                context.Response.ContentType = "image/png";
                await context.Response.Body.WriteAsync(new byte[10], context.RequestAborted);
                break;
            case "/echo":
                await context.Response.WriteAsync($"you sent {context.Request.Headers.Authorization}", context.RequestAborted);
                break;
            case "/items/none":
                context.Response.StatusCode = 404;
                await context.Response.WriteAsync("no such item", context.RequestAborted);
                break;
            default:
                context.Response.StatusCode = context.Request.Method == "DELETE" ? 204 : 200;
                await (context.Request.Method == "DELETE" ? Task.CompletedTask : context.Response.WriteAsJsonAsync(JsonElement.Parse("""{"name":"tea"}"""), context.RequestAborted));
                break;
        }
    }
}
