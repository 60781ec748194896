-- Runs, their steps, and the journal of both. The journal (events) is the truth; the other tables are folded from it in the same transaction.
-- Times are milliseconds since 1970, 0 for none; truth values are 0 and 1.

-- Immutable values by the SHA-256 of their bytes. The small ones are here, the large ones in the store of blobs, under their hash and life.
-- Very small JSON has no row: what refers to it is = and the JSON itself.
create table blobs (
  hash text primary key,
  length bigint not null,
  content bytea,
  life text not null,                   -- of a large one: content that was collected and comes again has another one
  is_stored bigint not null,            -- whether a large one is in the store already
  touched_at bigint not null            -- about when it was last stored: what has been stored a moment ago is not collected
);

-- Large values that nothing reaches any more, until they are gone from the store too.
create table doomed_blobs (
  hash text not null,
  life text not null,
  primary key (hash, life)
);

-- Numbers of runs that were deleted and had too many rows to go at once.
create table doomed_runs (
  run bigint primary key
);

create table runs (
  number bigint generated always as identity primary key,
  id text not null unique,
  project text not null,
  type text not null,
  request_key text,                     -- the caller's idempotency key
  request_digest text not null,
  state bigint not null,                -- RunState
  priority bigint not null,             -- RunPriority; smaller goes first
  share bigint not null,                -- start tag of weighted fair queueing within the priority
  queued_at bigint not null,            -- since when it waits in its priority class
  input text not null,                  -- hash of the input, or = and the input itself
  output text,                          -- the same of the output, when it succeeded
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
  die_by bigint not null default 0,     -- timeout of all attempts together
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
  last_event bigint not null,
  webhook bigint not null               -- WebhookEvents that are told to the run's receiver
);
create unique index runs_by_key on runs (project, request_key) where request_key is not null;
create index runs_ready on runs (type, priority, share, number) where state = 1;
create index runs_queued on runs (priority, queued_at) where state = 1;
create index runs_waiting on runs (not_before) where state = 0;
create index runs_starting on runs (start_by) where state in (0, 1) and start_by > 0;
create index runs_dying on runs (die_by) where state in (0, 1, 2) and die_by > 0;
create index runs_leased on runs (lease_until, type, project) where state = 2;
create index runs_of_project on runs (project, number);
create index runs_of_parent on runs (parent) where parent is not null;
create index runs_ended on runs (ended_at, number) where state in (4, 5, 6);
create index runs_parked on runs (type) where state = 3;
create index runs_dead on runs (type) where state = 6;
create index runs_by_input on runs (input) where substr(input, 1, 1) <> '=';
create index runs_by_output on runs (output) where substr(output, 1, 1) <> '=';
create index runs_of_schedule on runs (schedule, number) where schedule is not null;
create index runs_of_schedule_open on runs (schedule) where schedule is not null and state < 4;

-- Append only.
create table events (
  run bigint not null,
  seq bigint not null,                  -- 1, 2, 3… within the run, without gaps
  at bigint not null,
  kind text not null,
  version bigint not null,
  body text not null,
  primary key (run, seq)
);

create table steps (
  run bigint not null,
  address text not null,
  digest text not null,
  class bigint not null,                -- EffectClass
  state bigint not null,                -- StepState
  output text,                          -- hash, or = and the output itself
  source bigint not null,               -- StepSource
  fence bigint not null,                -- of the attempt that wrote it
  seq bigint not null,                  -- of the event that recorded it
  started_at bigint not null,
  ended_at bigint not null,
  primary key (run, address)
);
create index steps_by_output on steps (output) where substr(output, 1, 1) <> '=';

-- Files that runs have made.
create table artifacts (
  run bigint not null,
  name text not null,
  hash text not null,
  length bigint not null,
  content_type text not null,
  created_at bigint not null,
  primary key (run, name)
);
create index artifacts_by_hash on artifacts (hash);

-- What a run refers to besides: files that its input names, partial results, earlier inputs.
create table kept (
  run bigint not null,
  hash text not null,
  is_file bigint not null,              -- whether it is a file, not JSON
  primary key (run, hash)
);
create index kept_by_hash on kept (hash);

-- Files that a project has brought for the inputs of runs.
create table uploads (
  project text not null,
  hash text not null,
  length bigint not null,
  content_type text not null,
  created_at bigint not null,
  primary key (project, hash)
);
create index uploads_by_hash on uploads (hash);
create index uploads_by_age on uploads (created_at);

-- Results that other runs may use, by what was done.
create table cache (
  namespace text not null,
  digest text not null,
  output text not null,
  expires_at bigint not null,
  primary key (namespace, digest)
);
create index cache_by_output on cache (output) where substr(output, 1, 1) <> '=';
create index cache_by_age on cache (expires_at) where expires_at > 0;

create table dependencies (
  run bigint not null,
  on_run bigint not null,
  primary key (run, on_run)
);
create index dependencies_on on dependencies (on_run);

create table signals (
  run bigint not null,
  name text not null,
  seq bigint not null,
  body text not null,
  taken_by text,                        -- address of the step that has taken it
  primary key (run, name, seq)
);

-- What runs have asked people; an answer is a signal of the name.
create table questions (
  run bigint not null,
  name text not null,                   -- of the signal that answers it
  seq bigint not null,                  -- of the event that asked
  address text not null,
  body text not null,
  answer bigint not null,               -- of the signal that has answered it; 0 for none
  expires_at bigint not null,           -- when it is answered by a rejection, if nobody else has answered it
  expired bigint not null,              -- the epoch in which that has happened; 0 for never
  primary key (run, name)
);
create index questions_expiring on questions (expires_at) where answer = 0 and expires_at > 0;

-- Weighted fair queueing: the finish tag of each project, and how far each priority class has come.
create table shares (
  priority bigint not null,
  project text not null,
  finish bigint not null,
  primary key (priority, project)
);
create table queues (
  priority bigint primary key,
  come_to bigint not null
);
insert into queues values (0, 0), (1, 0), (2, 0), (3, 0);

-- Who works, for people, and what workers can do, so that jobs of types that only they have can be asked for while they are away.
create table workers (
  name text not null,
  project text not null,                -- the only one whose jobs it does; empty for all
  host text not null,
  program text not null,
  slots bigint not null,
  types text not null,                  -- names as JSON
  started_at bigint not null,
  seen_at bigint not null,
  primary key (name, project)
);
create table job_types (
  name text not null,
  project text not null,                -- the only one that can ask for it; empty for all
  description text not null,
  input_schema text not null,
  output_schema text not null,
  options text not null,                -- RunOptions as JSON; empty for none
  seen_at bigint not null,
  primary key (name, project)
);

-- Types of which no run is claimed until somebody says otherwise.
create table paused_types (
  name text primary key,
  paused_at bigint not null,
  paused_by text not null
);

create table schedules (
  id text primary key,
  project text not null,
  name text not null,
  cron text,                            -- one of cron, every_ms and at_time
  zone text,
  every_ms bigint not null,
  at_time bigint not null,
  starts_at bigint not null,
  ends_at bigint not null,
  job text not null,                    -- JobTemplate as JSON
  misfire bigint not null,              -- MisfirePolicy
  grace_ms bigint not null,
  most_missed bigint not null,
  overlap bigint not null,              -- OverlapPolicy
  state bigint not null,                -- ScheduleState
  next_fire bigint,
  last_fire bigint,
  active_from bigint not null,          -- no time before it counts
  planned_at bigint not null,           -- the clock when next_fire was computed
  version bigint not null,              -- rises with each change
  created_at bigint not null,
  updated_at bigint not null
);
create unique index schedules_by_name on schedules (project, name);
create index schedules_due on schedules (next_fire) where state = 0;
create index schedules_planned on schedules (planned_at) where state = 0;

-- What became of the times of a schedule: one row each, so that none is fired for twice.
create table schedule_fires (
  schedule text not null,
  fire_at bigint not null,
  at bigint not null,
  outcome bigint not null,              -- FireOutcome
  run text,
  version bigint not null,              -- of the schedule
  primary key (schedule, fire_at)
);
create index schedule_fires_by_version on schedule_fires (schedule, version);

-- Files that the inputs of schedules name.
create table schedule_files (
  schedule text not null,
  hash text not null,
  primary key (schedule, hash)
);
create index schedule_files_by_hash on schedule_files (hash);

-- Where the events of runs are told.
create table webhooks (
  run bigint primary key,
  url text not null,
  secret text,                          -- or the name of one
  secret_name text
);

create table webhook_secrets (
  project text not null,
  name text not null,
  secret text not null,
  set_at bigint not null,
  old_secret text,                      -- signs too until old_until
  old_until bigint not null,
  primary key (project, name)
);

-- The outbox: what is told, written in the transaction in which it happens.
create table webhook_deliveries (
  number bigint generated always as identity primary key,
  id text not null unique,
  project text not null,
  run bigint not null,
  job text not null,
  kind text not null,
  url text not null,
  body text not null,
  state bigint not null,                -- DeliveryState
  attempts bigint not null,
  tried_before bigint not null,         -- attempts when it was last asked for anew
  not_before bigint not null,
  created_at bigint not null
);
create index webhook_deliveries_due on webhook_deliveries (not_before) where state = 0;
create index webhook_deliveries_of_project on webhook_deliveries (project, number);
create index webhook_deliveries_of_run on webhook_deliveries (run);

create table webhook_attempts (
  delivery bigint not null,
  attempt bigint not null,
  at bigint not null,
  duration_ms bigint not null,
  status bigint,
  error text,
  primary key (delivery, attempt)
);
