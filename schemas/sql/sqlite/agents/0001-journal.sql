-- Runs, their steps, and the journal of both. The journal (events) is the truth; the other tables are folded from it in the same transaction.
-- Times are milliseconds since 1970, 0 for none; truth values are 0 and 1.

-- Immutable values by the SHA-256 of their bytes. Large ones are files of the same name in the folder of blobs: content is null then.
create table blobs (
  hash text primary key,
  length bigint not null,
  content blob,
  created_at bigint not null
);

create table runs (
  number integer primary key autoincrement, -- never given twice: a lease names a run by it
  id text not null unique,
  project text not null,
  type text not null,
  request_key text,                     -- the caller's idempotency key
  request_digest text not null,
  state bigint not null,                -- RunState
  priority bigint not null,             -- RunPriority; smaller goes first
  share bigint not null,                -- start tag of weighted fair queueing within the priority
  queued_at bigint not null,            -- since when it waits in its priority class
  input text not null,                  -- hash of the input
  output text,                          -- hash of the output, when it succeeded
  error text,                           -- what ended it or its last attempt otherwise, as JSON
  options text not null,                -- RunOptions as JSON
  labels text,                          -- the caller's metadata as JSON
  parent bigint,
  parent_address text,
  schedule text,
  forked_from bigint,                   -- the run whose recorded steps this one may use
  fork_limit bigint not null,           -- those that it recorded before this event; 0 for all
  not_before bigint not null,
  start_by bigint not null,             -- schedule-to-start timeout
  waits_for bigint not null,            -- dependencies and children that have not ended
  signal text,                          -- the signal that it waits for
  has_waiters bigint not null,          -- whether another run waits for this one
  cancel_requested bigint not null,
  epoch bigint not null,                -- rises when a dead run is requeued
  attempt bigint not null,              -- within the epoch
  fence bigint not null,                -- rises with each claim, never falls
  worker text,
  lease_until bigint not null,
  end_by bigint not null,               -- run timeout of the attempt
  progress bigint not null,             -- 0 to 100
  message text,
  model_calls bigint not null default 0, -- what its recorded steps have used
  prompt_tokens bigint not null default 0,
  completion_tokens bigint not null default 0,
  created_at bigint not null,
  started_at bigint not null,
  ended_at bigint not null,
  last_event bigint not null
);
create unique index runs_by_key on runs (project, request_key) where request_key is not null;
create index runs_ready on runs (type, priority, share, number) where state = 1;
create index runs_queued on runs (priority, queued_at) where state = 1;
create index runs_waiting on runs (not_before) where state = 0;
create index runs_starting on runs (start_by) where state in (0, 1) and start_by > 0;
create index runs_leased on runs (lease_until) where state = 2;
create index runs_running on runs (type, project) where state = 2;
create index runs_of_project on runs (project, number);
create index runs_of_parent on runs (parent) where parent is not null;

-- Append only.
create table events (
  run bigint not null,
  seq bigint not null,                  -- 1, 2, 3… within the run, without gaps
  at bigint not null,
  kind text not null,
  version bigint not null,
  body text not null,
  primary key (run, seq)
) without rowid;

create table steps (
  run bigint not null,
  address text not null,
  digest text not null,
  class bigint not null,                -- EffectClass
  state bigint not null,                -- StepState
  output text,                          -- hash
  source bigint not null,               -- StepSource
  fence bigint not null,                -- of the attempt that wrote it
  seq bigint not null,                  -- of the event that recorded it
  started_at bigint not null,
  ended_at bigint not null,
  primary key (run, address)
) without rowid;

-- Results that other runs may use, by what was done.
create table cache (
  namespace text not null,
  digest text not null,
  output text not null,
  expires_at bigint not null,
  primary key (namespace, digest)
) without rowid;

create table dependencies (
  run bigint not null,
  on_run bigint not null,
  primary key (run, on_run)
) without rowid;
create index dependencies_on on dependencies (on_run);

create table signals (
  run bigint not null,
  name text not null,
  seq bigint not null,
  body text not null,
  taken_by text,                        -- address of the step that has taken it
  primary key (run, name, seq)
) without rowid;

-- What runs have asked people; an answer is a signal of the name.
create table questions (
  run bigint not null,
  name text not null,                   -- of the signal that answers it
  seq bigint not null,                  -- of the event that asked
  address text not null,
  body text not null,
  answer bigint not null,               -- of the signal that has answered it; 0 for none
  primary key (run, name)
) without rowid;

-- Weighted fair queueing: the finish tag of each project, and how far each priority class has come.
create table shares (
  priority bigint not null,
  project text not null,
  finish bigint not null,
  primary key (priority, project)
) without rowid;
create table queues (
  priority bigint primary key,
  come_to bigint not null
);
insert into queues values (0, 0), (1, 0), (2, 0), (3, 0);
