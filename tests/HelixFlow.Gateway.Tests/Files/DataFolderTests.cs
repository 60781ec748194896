using HelixFlow.Storage;

namespace HelixFlow.Gateway.Tests.Files;

/// <summary>The folder of a gateway that shares its state with none.</summary>
public sealed class DataFolderTests
{
    [Fact]
    public async Task A_second_process_is_told_that_the_folder_is_in_use()
    {
        var options = new GatewayOptions { DataFolder = Directory.CreateTempSubdirectory("helixflow-folder-").FullName };
        await using (await GatewayServer.StartAsync(options))
        {
            StorageException failure = await Assert.ThrowsAsync<StorageException>(() => GatewayServer.StartAsync(options));

            Assert.Equal(StorageFailure.InUse, failure.Failure);
        }

        Directory.Delete(options.DataFolder, recursive: true);
    }
}
