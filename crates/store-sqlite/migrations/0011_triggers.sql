-- `due_at`: when a schedule is to be looked at, `next_at` or later while the run before is waited for; none for webhooks and for what is
-- switched off. `version` counts changes by people; a schedule that moves on is none.
CREATE TABLE triggers (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    id             BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    name           TEXT    NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('webhook', 'schedule')),
    document       TEXT    NOT NULL,
    token_id       BLOB    NOT NULL CHECK (length(token_id) = 16),
    enabled        INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    sealed_secrets BLOB,
    secret_version INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    next_at        INTEGER,
    due_at         INTEGER,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, id),
    UNIQUE (environment_id, name),
    CHECK ((next_at IS NULL) = (due_at IS NULL)),
    CHECK (due_at IS NULL OR enabled = 1)
) STRICT;

CREATE INDEX triggers_by_due_time ON triggers (due_at) WHERE due_at IS NOT NULL;

-- Which event started which run: one run an event, however many replicas hear of it. `until`: from then on it may start another.
CREATE TABLE trigger_events (
    environment_id BLOB    NOT NULL,
    trigger_id     BLOB    NOT NULL,
    event          BLOB    NOT NULL CHECK (length(event) = 32),
    run_id         BLOB    NOT NULL CHECK (length(run_id) = 16),
    at             INTEGER NOT NULL,
    until          INTEGER NOT NULL,
    PRIMARY KEY (environment_id, trigger_id, event),
    FOREIGN KEY (environment_id, trigger_id) REFERENCES triggers (environment_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX trigger_events_by_time ON trigger_events (environment_id, trigger_id, at);

-- By what deliveries that say when they were sent are recognised when they come again, for as long as they would be accepted.
CREATE TABLE trigger_signatures (
    environment_id BLOB    NOT NULL,
    trigger_id     BLOB    NOT NULL,
    signature      BLOB    NOT NULL CHECK (length(signature) = 32),
    until          INTEGER NOT NULL,
    PRIMARY KEY (environment_id, trigger_id, signature),
    FOREIGN KEY (environment_id, trigger_id) REFERENCES triggers (environment_id, id)
) STRICT, WITHOUT ROWID;

-- The last deliveries of each trigger, whatever came of them.
CREATE TABLE deliveries (
    environment_id BLOB    NOT NULL,
    trigger_id     BLOB    NOT NULL,
    id             BLOB    NOT NULL CHECK (length(id) = 16),
    at             INTEGER NOT NULL,
    request_id     BLOB    NOT NULL CHECK (length(request_id) = 16),
    outcome        TEXT    NOT NULL,
    detail         TEXT    NOT NULL,
    items          TEXT    NOT NULL,
    digest         BLOB    NOT NULL CHECK (length(digest) = 32),
    body_bytes     INTEGER NOT NULL,
    payload        TEXT,
    PRIMARY KEY (environment_id, trigger_id, id),
    FOREIGN KEY (environment_id, trigger_id) REFERENCES triggers (environment_id, id)
) STRICT;
