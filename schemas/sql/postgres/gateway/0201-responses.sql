-- Responses, their items and their streams.
CREATE TABLE responses (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    created_at BIGINT NOT NULL,      -- seconds since 1970
    status TEXT NOT NULL,
    background BIGINT NOT NULL,
    streamed BIGINT NOT NULL,        -- whether its events are kept
    begun BIGINT NOT NULL DEFAULT 0, -- whether a piece of its output may have been delivered
    hidden BIGINT NOT NULL DEFAULT 0, -- deleted, but others still build on it
    owner TEXT,                       -- the gateway that runs it
    cancelling BIGINT NOT NULL DEFAULT 0, -- whether its owner is asked to end it
    previous TEXT,
    request TEXT,                     -- the request's body while a response in the background is not finished
    body TEXT NOT NULL
);
CREATE INDEX responses_by_previous ON responses (previous) WHERE previous IS NOT NULL;
CREATE INDEX responses_by_age ON responses (created_at);
CREATE INDEX responses_unfinished ON responses (created_at) WHERE status IN ('queued', 'in_progress');

CREATE TABLE response_items (
    response TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,        -- the input's items, then the output's
    output BIGINT NOT NULL,
    id TEXT NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (response, position)
);
CREATE INDEX response_items_by_id ON response_items (id);

CREATE TABLE response_events (
    response TEXT NOT NULL REFERENCES responses (id) ON DELETE CASCADE,
    first BIGINT NOT NULL,           -- the sequence number of its first event
    events TEXT NOT NULL,             -- one JSON object a line
    PRIMARY KEY (response, first)
);
