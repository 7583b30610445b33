-- Times are milliseconds since the Unix epoch and are written by the program; JSON is kept as the text that was given.

CREATE TABLE environments (
    id          uuid   NOT NULL PRIMARY KEY,
    name        text   NOT NULL UNIQUE,
    wrapped_key bytea  NOT NULL,
    created_at  bigint NOT NULL
);

CREATE TABLE tokens (
    environment_id uuid    NOT NULL REFERENCES environments (id),
    id             uuid    NOT NULL,
    name           text    NOT NULL,
    hash           bytea   NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    prefix         text    NOT NULL,
    role           text    NOT NULL CHECK (role IN ('admin', 'agent', 'auditor')),
    operator       boolean NOT NULL,
    narrowing      text    NOT NULL,
    expires_at     bigint,
    revoked_at     bigint,
    created_at     bigint  NOT NULL,
    PRIMARY KEY (environment_id, id)
);

CREATE TABLE accounts (
    environment_id     uuid    NOT NULL REFERENCES environments (id),
    id                 uuid    NOT NULL,
    integration        text    NOT NULL,
    tenant_id          text    NOT NULL,
    connection         text    NOT NULL,
    override_patch     text,
    sandbox            boolean NOT NULL,
    blocked            boolean NOT NULL,
    sealed_credentials bytea   NOT NULL,
    credential_version bigint  NOT NULL,
    version            bigint  NOT NULL,
    created_at         bigint  NOT NULL,
    updated_at         bigint  NOT NULL,
    PRIMARY KEY (environment_id, id)
);

CREATE INDEX accounts_by_integration ON accounts (environment_id, integration, id);
CREATE INDEX accounts_by_tenant ON accounts (environment_id, tenant_id, id);

CREATE TABLE environment_overrides (
    environment_id uuid   NOT NULL REFERENCES environments (id),
    integration    text   NOT NULL,
    patch          text   NOT NULL,
    version        bigint NOT NULL,
    updated_at     bigint NOT NULL,
    PRIMARY KEY (environment_id, integration)
);

-- Appended to by every call, so it has its key and nothing else: no secondary index, no foreign key, no check. It
-- outlives what it speaks of.
CREATE TABLE audit (
    environment_id uuid   NOT NULL,
    id             uuid   NOT NULL,
    at             bigint NOT NULL,
    request_id     uuid   NOT NULL,
    token_id       uuid   NOT NULL,
    session        text,
    door           text   NOT NULL,
    action         text   NOT NULL,
    account_id     uuid,
    target         text,
    arguments      text,
    before         text,
    after          text,
    outcome        text   NOT NULL,
    code           text,
    upstream_calls bigint NOT NULL,
    duration_ms    bigint NOT NULL,
    PRIMARY KEY (environment_id, id)
);

CREATE TABLE idempotency_keys (
    environment_id uuid   NOT NULL REFERENCES environments (id),
    token_id       uuid   NOT NULL,
    key            text   NOT NULL,
    fingerprint    bytea  NOT NULL CHECK (octet_length(fingerprint) = 32),
    answer_status  bigint,
    answer_body    bytea,
    created_at     bigint NOT NULL,
    PRIMARY KEY (environment_id, token_id, key),
    CHECK ((answer_status IS NULL) = (answer_body IS NULL))
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
