-- What sessions have read, for the time after a restart. `scope` is the keyed hash of environment, session, account and
-- resource; `ids` are the keyed hashes of the ids, eight bytes each. Both are worth nothing without the root key.
CREATE TABLE session_reads (
    scope BLOB    NOT NULL CHECK (length(scope) = 16),
    at    INTEGER NOT NULL,
    ids   BLOB    NOT NULL CHECK (length(ids) % 8 = 0)
) STRICT;

CREATE INDEX session_reads_by_scope ON session_reads (scope, at);
CREATE INDEX session_reads_by_time ON session_reads (at);

-- What is known of the calls that an account's vendor still takes, and which of them replicas have on loan. Replaced as a whole
-- when the version still is the one that was read.
CREATE TABLE rate_budgets (
    environment_id BLOB    NOT NULL,
    account_id     BLOB    NOT NULL,
    version        INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    PRIMARY KEY (environment_id, account_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES accounts (environment_id, id) ON DELETE CASCADE
) STRICT;
