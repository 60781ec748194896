using System.ClientModel;
using System.Text.Json.Nodes;
using OpenAI;
using OpenAI.Files;

namespace HelixFlow.Interop.Tests;

/// <summary>OpenAI's official clients against files, uploads and batches.</summary>
[Collection(nameof(SharedServer))]
public sealed class FilesClientTests(SharedServer shared)
{
    [Fact]
    public async Task The_javascript_client_stores_files_and_runs_batches()
    {
        JsonNode seen = await shared.RunAsync("clients/files.mjs");

        CheckFiles(seen);
        CheckBatch(seen);
        Assert.Equal("failed", (string?)seen["failed"]!["status"]);
        JsonNode error = Assert.Single(seen["failed"]!["errors"]!["data"]!.AsArray())!;
        Assert.Equal(("invalid_json_line", 1), ((string?)error["code"], (int)error["line"]!));

        JsonArray cancelled = seen["cancelled"]!.AsArray();
        Assert.Equal(("cancelling", "cancelled"), ((string?)seen["cancelling"], (string?)cancelled[0]));
        Assert.Equal((int)cancelled[1]!["completed"]!, (int)cancelled[2]!);
        Assert.Equal((int)cancelled[1]!["failed"]!, (int)cancelled[3]!);
        Assert.Equal((int)cancelled[1]!["total"]!, (int)cancelled[2]! + (int)cancelled[3]!);
        Assert.Equal("[]", seen["invalid"]!.ToJsonString());
        Assert.True((int)seen["validated"]! > 13);
        Assert.Equal(("ConflictError", 409), ((string?)seen["again"]!["name"], (int)seen["again"]!["status"]!));
    }

    [Fact]
    public async Task The_dotnet_client_stores_lists_reads_and_deletes_files()
    {
        var client = new OpenAIFileClient(new ApiKeyCredential(Server.Key), new OpenAIClientOptions { Endpoint = new Uri(shared.Server.Address, "/v1") });
        byte[] bytes = new byte[100_000];
        new Random(1).NextBytes(bytes);

        OpenAIFile file = await client.UploadFileAsync(new MemoryStream(bytes), "Grüße.jsonl", FileUploadPurpose.Batch);
        OpenAIFile again = await client.GetFileAsync(file.Id);
        OpenAIFileCollection listed = await client.GetFilesAsync();
        BinaryData content = await client.DownloadFileAsync(file.Id);
        FileDeletionResult deleted = await client.DeleteFileAsync(file.Id);
        ClientResultException gone = await Assert.ThrowsAsync<ClientResultException>(() => client.GetFileAsync(file.Id));

        Assert.Equal(("Grüße.jsonl", bytes.Length), (file.Filename, file.SizeInBytes));
        Assert.Equal((file.Id, file.CreatedAt), (again.Id, again.CreatedAt));
        Assert.Contains(file.Id, listed.Select(each => each.Id));
        Assert.Equal(bytes, content.ToArray());
        Assert.True(deleted.Deleted);
        Assert.Equal(404, gone.Status);
        Assert.Contains($"No such File object: {file.Id}", gone.Message, StringComparison.Ordinal);
    }

    private static void CheckFiles(JsonNode seen)
    {
        JsonNode file = seen["file"]!;
        Assert.Equal(("grüße.jsonl", 8, "batch", "file"), ((string?)file["filename"], (int)file["bytes"]!, (string?)file["purpose"], (string?)file["object"]));
        Assert.Equal(7200, (long)file["expires_at"]! - (long)file["created_at"]!);
        Assert.True(JsonNode.DeepEquals(file, seen["retrieved"]));
        Assert.Equal("one\ntwo\n", (string?)seen["content"]);
        Assert.Equal(Texts(seen["expected"]!), Texts(seen["listed"]!).Where(id => Texts(seen["expected"]!).Contains(id)));
        Assert.True((bool)seen["deleted"]!["deleted"]!);
        Assert.Equal(("NotFoundError", 404, "id"), ((string?)seen["gone"]!["name"], (int)seen["gone"]!["status"]!, (string?)seen["gone"]!["param"]));
        Assert.Equal(("BadRequestError", "purpose"), ((string?)seen["purpose"]!["name"], (string?)seen["purpose"]!["param"]));
        JsonArray upload = seen["upload"]!.AsArray();
        Assert.Equal(("pending", "completed", 10_000, true), ((string?)upload[0], (string?)upload[1], (int)upload[2]!, (bool)upload[3]!));
        Assert.Equal("cancelled", (string?)seen["cancelledUpload"]);
    }

    private static void CheckBatch(JsonNode seen)
    {
        Assert.Equal("validating", (string?)seen["created"]!["status"]);
        JsonNode done = seen["done"]!;
        Assert.Equal(("completed", "nightly", Server.Model), ((string?)done["status"], (string?)done["metadata"]!["job"], (string?)done["model"]));
        Assert.Equal((3, 2, 1), ((int)done["request_counts"]!["total"]!, (int)done["request_counts"]!["completed"]!, (int)done["request_counts"]!["failed"]!));
        Assert.Equal(["a", "c"], seen["output"]!.AsArray().Select(line => (string)line!["custom_id"]!));
        JsonNode refused = Assert.Single(seen["errors"]!.AsArray())!;
        Assert.Equal(("b", 400, "temperature"), ((string?)refused["custom_id"], (int)refused["response"]!["status_code"]!, (string?)refused["response"]!["body"]!["error"]!["param"]));

        // The answer has all that the endpoint's own has.
        Assert.Equal(
            seen["direct"]!.AsObject().Select(property => property.Key).Where(key => key is not "_request_id"),
            seen["output"]![0]!["response"]!["body"]!.AsObject().Select(property => property.Key));
        Assert.Contains((string?)done["id"], Texts(seen["batches"]!));
    }

    private static string[] Texts(JsonNode array) => [.. array.AsArray().Select(item => (string)item!)];
}
