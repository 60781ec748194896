namespace HelixFlow.Gateway.Tests;

/// <summary><see cref="Files.FileTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresFileTests(PostgresForTests postgres) : Files.FileTests(postgres);

/// <summary><see cref="Files.UploadTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresUploadTests(PostgresForTests postgres) : Files.UploadTests(postgres);

/// <summary><see cref="Batches.BatchTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresBatchTests(PostgresForTests postgres) : Batches.BatchTests(postgres);

/// <summary><see cref="Responses.StoredResponseTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresStoredResponseTests(PostgresForTests postgres) : Responses.StoredResponseTests(postgres);

/// <summary><see cref="Responses.BackgroundResponseTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresBackgroundResponseTests(PostgresForTests postgres) : Responses.BackgroundResponseTests(postgres);

/// <summary><see cref="Conversations.ConversationTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresConversationTests(PostgresForTests postgres) : Conversations.ConversationTests(postgres);

/// <summary><see cref="StoredCompletions.StoredCompletionTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresStoredCompletionTests(PostgresForTests postgres) : StoredCompletions.StoredCompletionTests(postgres);

/// <summary><see cref="VectorStores.VectorStoreTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresVectorStoreTests(PostgresForTests postgres) : VectorStores.VectorStoreTests(postgres);

/// <summary><see cref="Responses.FileSearchTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresFileSearchTests(PostgresForTests postgres) : Responses.FileSearchTests(postgres);

/// <summary><see cref="Realtime.ClientSecretTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresClientSecretTests(PostgresForTests postgres) : Realtime.ClientSecretTests(postgres);

/// <summary><see cref="Files.InputFileTests"/> on PostgreSQL.</summary>
[Collection(nameof(PostgresForTests))]
public sealed class PostgresInputFileTests(PostgresForTests postgres) : Files.InputFileTests(postgres);
