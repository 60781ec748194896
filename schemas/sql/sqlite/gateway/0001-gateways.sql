-- The gateway processes that share this database. Work that was taken by one that has died is everyone's. Times are milliseconds since 1970.
create table gateways (
    id text primary key,
    alive_until bigint not null
) without rowid;
