-- Kill switches: what is named here takes no call. `subject` is the id of the account or token, the name of the tool, empty for
-- the environment as a whole.
CREATE TABLE switches (
    environment_id uuid   NOT NULL REFERENCES environments (id),
    kind           text   NOT NULL CHECK (kind IN ('environment', 'account', 'token', 'tool')),
    subject        text   NOT NULL,
    reason         text   NOT NULL,
    token_id       uuid   NOT NULL,
    created_at     bigint NOT NULL,
    PRIMARY KEY (environment_id, kind, subject)
);

-- One row for each change that a blast radius counts. `id` is the change: one that is made again under the same idempotency key
-- is counted once.
CREATE TABLE blast_uses (
    environment_id uuid   NOT NULL REFERENCES environments (id),
    limit_name     text   NOT NULL,
    subject        text   NOT NULL,
    id             uuid   NOT NULL,
    at             bigint NOT NULL,
    PRIMARY KEY (environment_id, limit_name, subject, id)
);

CREATE INDEX blast_uses_by_time ON blast_uses (environment_id, limit_name, subject, at);
CREATE INDEX blast_uses_by_age ON blast_uses (at);

-- How many records a whole, unfiltered list had.
CREATE TABLE directory_sizes (
    environment_id uuid   NOT NULL,
    account_id     uuid   NOT NULL,
    resource       text   NOT NULL,
    records        bigint NOT NULL CHECK (records >= 0),
    at             bigint NOT NULL,
    PRIMARY KEY (environment_id, account_id, resource),
    FOREIGN KEY (environment_id, account_id) REFERENCES accounts (environment_id, id) ON DELETE CASCADE
);

-- The person behind a token, who is never the one that it takes something away from.
ALTER TABLE tokens ADD COLUMN email text;
