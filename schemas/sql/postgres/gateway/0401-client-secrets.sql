-- Short-lived keys of the Realtime API, by the SHA-256 of each: the key itself is not kept. Times are seconds since 1970.
create table client_secrets (
    hash text primary key,
    project text not null,
    expires_at bigint not null,
    session text not null             -- how the sessions that it opens answer, as JSON
);
create index client_secrets_by_expiry on client_secrets (expires_at);
