-- The files that clients have uploaded and those that batches made. Their bytes are blobs; times are seconds since 1970.
create table files (
    seq bigint generated always as identity primary key,
    id text not null unique,
    project text not null,
    purpose text not null,
    filename text not null,
    bytes bigint not null,
    created_at bigint not null,
    expires_at bigint,
    hash text not null
);
create index files_by_project on files (project, seq);
create index files_by_hash on files (hash);
create index files_by_expiry on files (expires_at) where expires_at is not null;

-- Files that arrive in parts.
create table uploads (
    seq bigint generated always as identity primary key,
    id text not null unique,
    project text not null,
    purpose text not null,
    filename text not null,
    mime_type text not null,
    bytes bigint not null,
    created_at bigint not null,
    expires_at bigint not null,
    file_lifetime bigint,
    status text not null,
    file_id text
);
create index uploads_pending on uploads (expires_at) where status = 'pending';

create table upload_parts (
    seq bigint generated always as identity primary key,
    id text not null unique,
    upload bigint not null references uploads (seq) on delete cascade,
    bytes bigint not null,
    created_at bigint not null,
    hash text not null
);
create index upload_parts_by_upload on upload_parts (upload);
create index upload_parts_by_hash on upload_parts (hash);

-- Blobs that something has let go of: each is deleted once nothing refers to it.
create table released_blobs (
    hash text primary key
);
