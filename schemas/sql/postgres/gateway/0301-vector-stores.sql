-- Vector stores: files cut into chunks, each with its vector, searched by meaning and by words. Times are seconds since 1970.
create table vector_stores (
    seq bigint generated always as identity primary key,
    id text not null unique,
    project text not null,
    name text not null,
    description text,
    metadata text,
    created_at bigint not null,
    last_active_at bigint not null,
    expires_days bigint,             -- after it was last active
    model text,                       -- whose vectors it holds; null until its first file is read
    dimensions bigint                -- of its vectors; null until the first one
);
create index vector_stores_by_project on vector_stores (project, seq);

create table vector_batches (
    seq bigint generated always as identity primary key,
    id text not null unique,
    store bigint not null references vector_stores (seq) on delete cascade,
    created_at bigint not null,
    cancelled bigint not null default 0
);
create index vector_batches_by_store on vector_batches (store);

-- The files of a store; a file that leaves the store leaves its batch too.
create table vector_files (
    seq bigint generated always as identity primary key,
    store bigint not null references vector_stores (seq) on delete cascade,
    batch bigint references vector_batches (seq) on delete set null,
    file_id text not null,
    filename text not null,
    hash text not null,
    created_at bigint not null,
    status text not null,
    error_code text,
    error_message text,
    attributes text,
    chunk_tokens bigint not null,
    overlap_tokens bigint not null,
    usage_bytes bigint not null default 0,
    is_cut bigint not null default 0, -- whether all its chunks are there, with or without their vectors
    owner text,                       -- the gateway that reads it
    unique (store, file_id)
);
create index vector_files_by_file on vector_files (file_id);
create index vector_files_by_batch on vector_files (batch) where batch is not null;
create index vector_files_waiting on vector_files (seq) where status = 'in_progress';

create table vector_chunks (
    seq bigint generated always as identity primary key,
    file bigint not null references vector_files (seq) on delete cascade,
    position bigint not null,
    text text not null,
    vector bytea,                     -- little-endian float32 of unit length; null until it is made
    words tsvector not null,          -- its words without case and accents, each with its places
    word_count bigint not null,
    unique (file, position)
);
create index vector_chunks_by_words on vector_chunks using gin (words);

-- A file that is deleted leaves all stores.
create function leave_vector_stores() returns trigger language plpgsql as $$
begin
    delete from vector_files where file_id = old.id;
    return null;
end $$;
create trigger vector_files_of_deleted after delete on files for each row execute function leave_vector_stores();
