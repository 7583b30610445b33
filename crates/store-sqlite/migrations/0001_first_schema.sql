-- Ids are 16 bytes (UUIDv7, big-endian, so that byte order is time order); times are milliseconds since the Unix
-- epoch and are written by the program; JSON is kept as the text that was given.

CREATE TABLE environments (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name        TEXT    NOT NULL UNIQUE,
    wrapped_key BLOB    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    id             BLOB    NOT NULL CHECK (length(id) = 16),
    name           TEXT    NOT NULL,
    hash           BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    prefix         TEXT    NOT NULL,
    role           TEXT    NOT NULL CHECK (role IN ('admin', 'agent', 'auditor')),
    operator       INTEGER NOT NULL CHECK (operator IN (0, 1)),
    narrowing      TEXT    NOT NULL,
    expires_at     INTEGER,
    revoked_at     INTEGER,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, id)
) STRICT, WITHOUT ROWID;

-- Rows are large (sealed credentials, an override), so they stay out of the key's tree.
CREATE TABLE accounts (
    environment_id     BLOB    NOT NULL REFERENCES environments (id),
    id                 BLOB    NOT NULL CHECK (length(id) = 16),
    integration        TEXT    NOT NULL,
    tenant_id          TEXT    NOT NULL,
    connection         TEXT    NOT NULL,
    override_patch     TEXT,
    sandbox            INTEGER NOT NULL CHECK (sandbox IN (0, 1)),
    blocked            INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    sealed_credentials BLOB    NOT NULL,
    credential_version INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    PRIMARY KEY (environment_id, id)
) STRICT;

CREATE INDEX accounts_by_integration ON accounts (environment_id, integration, id);
CREATE INDEX accounts_by_tenant ON accounts (environment_id, tenant_id, id);

CREATE TABLE environment_overrides (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    integration    TEXT    NOT NULL,
    patch          TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, integration)
) STRICT, WITHOUT ROWID;

-- Appended to by every call, so it has its key and nothing else: no secondary index, no foreign key, no check. It
-- outlives what it speaks of.
CREATE TABLE audit (
    environment_id BLOB    NOT NULL,
    id             BLOB    NOT NULL,
    at             INTEGER NOT NULL,
    request_id     BLOB    NOT NULL,
    token_id       BLOB    NOT NULL,
    session        TEXT,
    door           TEXT    NOT NULL,
    action         TEXT    NOT NULL,
    account_id     BLOB,
    target         TEXT,
    arguments      TEXT,
    before         TEXT,
    after          TEXT,
    outcome        TEXT    NOT NULL,
    code           TEXT,
    upstream_calls INTEGER NOT NULL,
    duration_ms    INTEGER NOT NULL,
    PRIMARY KEY (environment_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_keys (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    token_id       BLOB    NOT NULL,
    key            TEXT    NOT NULL,
    fingerprint    BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    answer_status  INTEGER,
    answer_body    BLOB,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, token_id, key),
    CHECK ((answer_status IS NULL) = (answer_body IS NULL))
) STRICT;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
