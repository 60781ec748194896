using HelixFlow.Agents.Journal;
using HelixFlow.Cli.Hosting;
using HelixFlow.Storage;

namespace HelixFlow.Cli.Tests.Hosting;

public sealed class JobStorageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("helixflow-jobs-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("*=30", null, null, 30.0, 30.0, 0)]
    [InlineData("summarise=7:0.5", null, "summarise", 7.0, 0.5, 0)]
    [InlineData("p/summarise=7:-:100", "p", "summarise", 7.0, null, 100)]
    [InlineData("*/*=-:1", null, null, null, 1.0, 0)]
    public void A_rule_says_which_jobs_and_how_many_days(string text, string? project, string? type, double? succeeded, double? failed, int last) => Assert.Equal(
        new RetentionRule { Project = project, Type = type, Succeeded = Days(succeeded), Failed = Days(failed), KeepLast = last }, JobStorage.RuleOf(text));

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("=30")]
    [InlineData("a/=30")]
    [InlineData("a=")]
    [InlineData("a=x")]
    [InlineData("a=-1")]
    [InlineData("a=1:2:3:4")]
    [InlineData("a=1:2:x")]
    public void What_is_no_rule_is_refused_with_an_example(string text) =>
        Assert.Contains("summarise=7:30", Assert.Throws<FormatException>(() => JobStorage.RuleOf(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_bucket_is_opened_without_being_reached_and_the_folder_is_the_default()
    {
        Assert.IsType<BlobFolder>(new JobStorage().Open(_folder));
        using var bucket = (BlobBucket)new JobStorage { Bucket = new Uri("s3://values/some/prefix?endpoint=http://127.0.0.1:9&region=here") }.Open(_folder);
        Assert.Throws<FormatException>(() => new JobStorage { Bucket = new Uri("s3://values?secret=x") }.Open(_folder));
        Assert.Throws<FormatException>(() => new JobStorage { Bucket = new Uri("http://values") }.Open(_folder));
    }

    private static TimeSpan? Days(double? days) => days is { } number ? TimeSpan.FromDays(number) : null;
}
