-- Vector stores: files cut into chunks, each with its vector, searched by meaning and by words. Times are seconds since 1970.
create table vector_stores (
    seq integer primary key autoincrement,
    id text not null unique,
    project text not null,
    name text not null,
    description text,
    metadata text,
    created_at integer not null,
    last_active_at integer not null,
    expires_days integer,             -- after it was last active
    model text,                       -- whose vectors it holds; null until its first file is read
    dimensions integer                -- of its vectors; null until the first one
);
create index vector_stores_by_project on vector_stores (project, seq);

create table vector_batches (
    seq integer primary key autoincrement,
    id text not null unique,
    store integer not null references vector_stores (seq) on delete cascade,
    created_at integer not null,
    cancelled integer not null default 0
);
create index vector_batches_by_store on vector_batches (store);

-- The files of a store; a file that leaves the store leaves its batch too.
create table vector_files (
    seq integer primary key autoincrement,
    store integer not null references vector_stores (seq) on delete cascade,
    batch integer references vector_batches (seq) on delete set null,
    file_id text not null,
    filename text not null,
    hash text not null,
    created_at integer not null,
    status text not null,
    error_code text,
    error_message text,
    attributes text,
    chunk_tokens integer not null,
    overlap_tokens integer not null,
    usage_bytes integer not null default 0,
    is_cut integer not null default 0, -- whether all its chunks are there, with or without their vectors
    owner text,                       -- the gateway that reads it
    unique (store, file_id)
);
create index vector_files_by_file on vector_files (file_id);
create index vector_files_by_batch on vector_files (batch) where batch is not null;
create index vector_files_waiting on vector_files (seq) where status = 'in_progress';

create table vector_chunks (
    seq integer primary key autoincrement,
    file integer not null references vector_files (seq) on delete cascade,
    position integer not null,
    text text not null,
    vector blob,                      -- little-endian float32 of unit length; null until it is made
    scope text,                       -- the word by which the text index tells the stores apart; null until the file can be searched
    unique (file, position)
);

create virtual table vector_words using fts5 (scope, text, content = 'vector_chunks', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2');

create trigger vector_words_added after update of scope on vector_chunks when new.scope is not null and old.scope is null begin
    insert into vector_words (rowid, scope, text) values (new.seq, new.scope, new.text);
end;

create trigger vector_words_removed after delete on vector_chunks when old.scope is not null begin
    insert into vector_words (vector_words, rowid, scope, text) values ('delete', old.seq, old.scope, old.text);
end;

-- A file that is deleted leaves all stores.
create trigger vector_files_of_deleted after delete on files begin
    delete from vector_files where file_id = old.id;
end;
