using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace HelixFlow.Gateway.Tests.Files;

/// <summary>Uploads files as clients do.</summary>
internal static class FileClient
{
    public static MultipartFormDataContent Form(string? purpose, string filename, byte[] bytes, params (string Name, string Value)[] fields)
    {
        var form = new MultipartFormDataContent { { new ByteArrayContent(bytes), "file", filename } };
        if (purpose is not null)
        {
            form.Add(new StringContent(purpose), "purpose");
        }

        foreach ((string name, string value) in fields)
        {
            form.Add(new StringContent(value), name);
        }

        return form;
    }

    public static async Task<JsonElement> UploadAsync(HttpClient client, string text, string purpose = "batch", string filename = "input.jsonl", params (string Name, string Value)[] fields)
    {
        using HttpResponseMessage response = await client.PostAsync("/v1/files", Form(purpose, filename, Encoding.UTF8.GetBytes(text), fields));
        return await JsonAsync(response);
    }

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage response)
    {
        string text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonElement.Parse(text);
    }

    public static async Task<JsonElement> GetAsync(HttpClient client, string path)
    {
        using HttpResponseMessage response = await client.GetAsync(path);
        return await JsonAsync(response);
    }

    /// <summary>The error of a response, with its status.</summary>
    public static async Task<(int Status, string Message, string? Param, string? Code)> ErrorAsync(HttpResponseMessage response)
    {
        JsonElement error = JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.Equal(4, error.EnumerateObject().Count());
        return ((int)response.StatusCode, error.GetProperty("message").GetString()!, error.GetProperty("param").GetString(), error.GetProperty("code").GetString());
    }

    public static HttpClient Other(GatewayServer server)
    {
        var client = new HttpClient { BaseAddress = server.Client.BaseAddress };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "other");
        return client;
    }
}
