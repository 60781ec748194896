using System.Globalization;
using System.Text;
using System.Text.Json;
using static HelixFlow.Gateway.Tests.Files.FileClient;

namespace HelixFlow.Gateway.Tests.Files;

/// <summary>/v1/uploads.</summary>
public class UploadTests(PostgresForTests? postgres = null) : StorageTests(postgres)
{
    [Fact]
    public async Task Parts_become_one_file_in_the_order_that_the_client_names()
    {
        await using GatewayServer server = await StartServerAsync();
        string upload = await CreateAsync(server, 10);
        string second = await PartAsync(server, upload, "56789");
        string first = await PartAsync(server, upload, "01234");
        const string md5 = "781E5E245D69B566979B86E28D23F2C7"; // as md5sum prints it, but for its case

        JsonElement done = await JsonAsync(await CompleteAsync(server, upload, md5, first, second));
        JsonElement file = done.GetProperty("file");

        Assert.Equal(("upload", "completed", 10), (done.GetProperty("object").GetString(), done.GetProperty("status").GetString(), done.GetProperty("bytes").GetInt32()));
        Assert.Equal(("file", "user_data", "big.txt"), (file.GetProperty("object").GetString(), file.GetProperty("purpose").GetString(), file.GetProperty("filename").GetString()));
        Assert.Equal("0123456789", await server.Client.GetStringAsync($"/v1/files/{file.GetProperty("id").GetString()}/content"));

        // A client that lost the answer asks again.
        Assert.Equal(done.ToString(), (await JsonAsync(await CompleteAsync(server, upload, md5, first, second))).ToString());
    }

    [Fact]
    public async Task What_does_not_fit_is_refused_and_the_upload_stays_pending()
    {
        await using GatewayServer server = await StartServerAsync();
        string upload = await CreateAsync(server, 10);
        string part = await PartAsync(server, upload, "01234");
        string rest = await PartAsync(server, upload, "56789");

        Assert.Equal((400, "part_ids"), Of(await ErrorAsync(await CompleteAsync(server, upload, null, part))));
        Assert.Equal((400, "part_ids"), Of(await ErrorAsync(await CompleteAsync(server, upload, null, part, part))));
        Assert.Equal((400, "part_ids"), Of(await ErrorAsync(await CompleteAsync(server, upload, null, part, "part_nope"))));
        Assert.Equal((400, "md5"), Of(await ErrorAsync(await CompleteAsync(server, upload, new string('0', 32), part, rest))));
        Assert.Equal("completed", (await JsonAsync(await CompleteAsync(server, upload, null, part, rest))).GetProperty("status").GetString());

        static (int, string?) Of((int Status, string Message, string? Param, string? Code) error) => (error.Status, error.Param);
    }

    [Fact]
    public async Task A_cancelled_or_expired_upload_takes_no_parts_and_leaves_nothing()
    {
        var time = new ManualTime();
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-files-").FullName };
        await using (GatewayServer server = await StartServerAsync(options, time: time))
        {
            string cancelled = await CreateAsync(server, 10);
            await PartAsync(server, cancelled, "01234");
            JsonElement answer = await JsonAsync(await server.PostAsync($"/v1/uploads/{cancelled}/cancel", ""));
            Assert.Equal("cancelled", answer.GetProperty("status").GetString());
            Assert.Empty(Directory.GetFiles(Path.Combine(options.DataFolder, "blobs"), "*", SearchOption.AllDirectories));
            Assert.Equal(409, (await ErrorAsync(await server.Client.PostAsync($"/v1/uploads/{cancelled}/parts", Part("x")))).Status);
            Assert.Equal(409, (await ErrorAsync(await server.PostAsync($"/v1/uploads/{cancelled}/cancel", ""))).Status);

            string late = await CreateAsync(server, 10);
            time.Advance(TimeSpan.FromHours(1));
            (int status, string message, _, _) = await ErrorAsync(await server.Client.PostAsync($"/v1/uploads/{late}/parts", Part("x")));
            Assert.Equal((409, $"The upload {late} is expired."), (status, message));
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }

    [Fact]
    public async Task An_upload_of_another_project_is_not_there()
    {
        await using GatewayServer server = await StartServerAsync();
        using HttpClient other = Other(server);
        string upload = await CreateAsync(server, 10);

        Assert.Equal((404, $"No such Upload object: {upload}", "upload_id", null), await ErrorAsync(await other.PostAsync($"/v1/uploads/{upload}/parts", Part("x"))));
        Assert.Equal(404, (await ErrorAsync(await other.PostAsync($"/v1/uploads/{upload}/cancel", null))).Status);
    }

    [Theory]
    [InlineData("""{"purpose":"batch","filename":"a.jsonl","bytes":5}""", "mime_type")]
    [InlineData("""{"purpose":"batch","filename":"a.jsonl","mime_type":"x"}""", "bytes")]
    [InlineData("""{"purpose":"batch","filename":"a.jsonl","mime_type":"x","bytes":0}""", "bytes")]
    [InlineData("""{"purpose":"batch","filename":"a.jsonl","mime_type":"x","bytes":8589934593}""", "bytes")]
    [InlineData("""{"purpose":"batch","filename":"a.txt","mime_type":"x","bytes":5}""", "file")]
    [InlineData("""{"purpose":"war","filename":"a.jsonl","mime_type":"x","bytes":5}""", "purpose")]
    [InlineData("""{"purpose":"batch","filename":"","mime_type":"x","bytes":5}""", "filename")]
    public async Task An_upload_that_states_something_wrong_is_refused(string body, string param)
    {
        await using GatewayServer server = await StartServerAsync();

        (int status, _, string? actual, _) = await ErrorAsync(await server.PostAsync("/v1/uploads", body));

        Assert.Equal((400, param), (status, actual));
    }

    private static async Task<string> CreateAsync(GatewayServer server, long bytes) => (await JsonAsync(await server.PostAsync(
        "/v1/uploads", string.Create(CultureInfo.InvariantCulture, $$"""{"purpose":"user_data","filename":"big.txt","bytes":{{bytes}},"mime_type":"text/plain"}""")))).GetProperty("id").GetString()!;

    private static MultipartFormDataContent Part(string text) => new() { { new ByteArrayContent(Encoding.UTF8.GetBytes(text)), "data", "blob" } };

    private static async Task<string> PartAsync(GatewayServer server, string upload, string text)
    {
        JsonElement part = await JsonAsync(await server.Client.PostAsync($"/v1/uploads/{upload}/parts", Part(text)));
        Assert.Equal(("upload.part", upload), (part.GetProperty("object").GetString(), part.GetProperty("upload_id").GetString()));
        return part.GetProperty("id").GetString()!;
    }

    private static Task<HttpResponseMessage> CompleteAsync(GatewayServer server, string upload, string? md5, params string[] parts) => server.PostAsync(
        $"/v1/uploads/{upload}/complete", JsonSerializer.Serialize(new { part_ids = parts, md5 }));
}
