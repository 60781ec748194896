namespace HelixFlow.Storage;

/// <summary>Which schema scripts a database has seen.</summary>
internal static class SchemaHistory
{
    /// <summary>Applies the scripts that the database has not seen. Runs within the caller's transaction.</summary>
    /// <exception cref="StorageException">It has seen others, or the same with another text.</exception>
    public static void Apply(SqlSession session, string database, IReadOnlyList<SchemaScript> scripts)
    {
        session.Execute("create table if not exists schema_scripts (number bigint primary key, name text not null, digest text not null)");
        Dictionary<long, string> applied = session.Query("select number, digest from schema_scripts", static row => (row.GetInt64(0), row.GetString(1))).ToDictionary();
        foreach (SchemaScript script in scripts.OrderBy(script => script.Number))
        {
            if (!applied.Remove(script.Number, out string? digest))
            {
                session.Execute(script.Sql);
                session.Execute("insert into schema_scripts (number, name, digest) values ($1, $2, $3)", script.Number, script.Name, script.Digest);
            }
            else if (digest != script.Digest)
            {
                throw new StorageException(StorageFailure.Incompatible, $"{database} was made with another version of the script {script.Number} ({script.Name}).");
            }
        }

        if (applied.Count > 0)
        {
            throw new StorageException(StorageFailure.Incompatible, $"{database} was written by a newer version of HelixFlow (script {applied.Keys.Max()} is not known here).");
        }
    }
}
