-- `due_at`: when a schedule is to be looked at, `next_at` or later while the run before is waited for; none for webhooks and for what is
-- switched off. `version` counts changes by people; a schedule that moves on is none.
CREATE TABLE triggers (
    environment_id uuid    NOT NULL REFERENCES environments (id),
    id             uuid    NOT NULL UNIQUE,
    name           text    NOT NULL,
    kind           text    NOT NULL CHECK (kind IN ('webhook', 'schedule')),
    document       text    NOT NULL,
    token_id       uuid    NOT NULL,
    enabled        boolean NOT NULL,
    sealed_secrets bytea,
    secret_version bigint  NOT NULL,
    version        bigint  NOT NULL,
    next_at        bigint,
    due_at         bigint,
    created_at     bigint  NOT NULL,
    updated_at     bigint  NOT NULL,
    PRIMARY KEY (environment_id, id),
    UNIQUE (environment_id, name),
    CHECK ((next_at IS NULL) = (due_at IS NULL)),
    CHECK (due_at IS NULL OR enabled)
);

CREATE INDEX triggers_by_due_time ON triggers (due_at) WHERE due_at IS NOT NULL;

-- Which event started which run: one run an event, however many replicas hear of it. `until`: from then on it may start another.
CREATE TABLE trigger_events (
    environment_id uuid    NOT NULL,
    trigger_id     uuid    NOT NULL,
    event          bytea   NOT NULL CHECK (length(event) = 32),
    run_id         uuid    NOT NULL,
    at             bigint  NOT NULL,
    until          bigint  NOT NULL,
    PRIMARY KEY (environment_id, trigger_id, event),
    FOREIGN KEY (environment_id, trigger_id) REFERENCES triggers (environment_id, id)
);

CREATE INDEX trigger_events_by_time ON trigger_events (environment_id, trigger_id, at);

-- By what deliveries that say when they were sent are recognised when they come again, for as long as they would be accepted.
CREATE TABLE trigger_signatures (
    environment_id uuid    NOT NULL,
    trigger_id     uuid    NOT NULL,
    signature      bytea   NOT NULL CHECK (length(signature) = 32),
    until          bigint  NOT NULL,
    PRIMARY KEY (environment_id, trigger_id, signature),
    FOREIGN KEY (environment_id, trigger_id) REFERENCES triggers (environment_id, id)
);

-- The last deliveries of each trigger, whatever came of them.
CREATE TABLE deliveries (
    environment_id uuid    NOT NULL,
    trigger_id     uuid    NOT NULL,
    id             uuid    NOT NULL,
    at             bigint  NOT NULL,
    request_id     uuid    NOT NULL,
    outcome        text    NOT NULL,
    detail         text    NOT NULL,
    items          text    NOT NULL,
    digest         bytea   NOT NULL CHECK (length(digest) = 32),
    body_bytes     bigint  NOT NULL,
    payload        text,
    PRIMARY KEY (environment_id, trigger_id, id),
    FOREIGN KEY (environment_id, trigger_id) REFERENCES triggers (environment_id, id)
);
