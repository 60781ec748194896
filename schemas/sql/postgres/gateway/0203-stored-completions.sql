-- Chat completions that were created with "store".
CREATE TABLE stored_completions (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order of the list
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    created BIGINT NOT NULL,         -- seconds since 1970
    model TEXT NOT NULL,
    metadata TEXT NOT NULL,
    body TEXT NOT NULL,               -- the completion, without its metadata
    messages TEXT NOT NULL            -- the request's messages
);
CREATE INDEX stored_completions_by_age ON stored_completions (created);
CREATE INDEX stored_completions_by_project ON stored_completions (project, sequence);
