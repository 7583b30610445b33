-- Kill switches: what is named here takes no call. `subject` is the id of the account or token, the name of the tool, empty for
-- the environment as a whole.
CREATE TABLE switches (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    kind           TEXT    NOT NULL CHECK (kind IN ('environment', 'account', 'token', 'tool')),
    subject        TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    token_id       BLOB    NOT NULL CHECK (length(token_id) = 16),
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, kind, subject)
) STRICT, WITHOUT ROWID;

-- One row for each change that a blast radius counts. `id` is the change: one that is made again under the same idempotency key
-- is counted once.
CREATE TABLE blast_uses (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    limit_name     TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    id             BLOB    NOT NULL CHECK (length(id) = 16),
    at             INTEGER NOT NULL,
    PRIMARY KEY (environment_id, limit_name, subject, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX blast_uses_by_time ON blast_uses (environment_id, limit_name, subject, at);
CREATE INDEX blast_uses_by_age ON blast_uses (at);

-- How many records a whole, unfiltered list had.
CREATE TABLE directory_sizes (
    environment_id BLOB    NOT NULL,
    account_id     BLOB    NOT NULL,
    resource       TEXT    NOT NULL,
    records        INTEGER NOT NULL CHECK (records >= 0),
    at             INTEGER NOT NULL,
    PRIMARY KEY (environment_id, account_id, resource),
    FOREIGN KEY (environment_id, account_id) REFERENCES accounts (environment_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The person behind a token, who is never the one that it takes something away from.
ALTER TABLE tokens ADD COLUMN email TEXT;
