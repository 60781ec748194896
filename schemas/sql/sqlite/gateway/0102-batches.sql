-- Batches. Times are seconds since 1970; errors and metadata are JSON.
create table batches (
    seq integer primary key autoincrement,
    id text not null unique,
    project text not null,
    endpoint text not null,
    model text,
    input_file_id text not null,
    input_hash text not null,
    completion_window text not null,
    status text not null,
    errors text,
    output_file_id text,
    error_file_id text,
    output_lifetime integer,
    metadata text,
    created_at integer not null,
    in_progress_at integer,
    expires_at integer not null,
    finalizing_at integer,
    completed_at integer,
    failed_at integer,
    expired_at integer,
    cancelling_at integer,
    cancelled_at integer,
    total integer not null default 0,
    completed integer not null default 0,
    failed integer not null default 0,
    input_tokens integer not null default 0,
    cached_tokens integer not null default 0,
    output_tokens integer not null default 0,
    reasoning_tokens integer not null default 0,
    owner text                        -- the gateway that runs it
);
create index batches_by_project on batches (project, seq);
create index batches_unfinished on batches (expires_at) where status in ('validating', 'in_progress', 'finalizing', 'cancelling');
create index batches_by_input on batches (input_hash) where status in ('validating', 'in_progress', 'finalizing', 'cancelling');

-- The requests of unfinished batches: where each stands in the input file, and the line of the output or error file once it is done.
create table batch_requests (
    batch integer not null references batches (seq) on delete cascade,
    line integer not null,
    custom_id text not null,
    start integer not null,
    length integer not null,
    outcome integer not null default 0, -- 0 open, 1 completed, 2 failed
    result blob,
    primary key (batch, line)
);
create index batch_requests_open on batch_requests (batch, line) where outcome = 0;
