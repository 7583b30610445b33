-- `due_at`: from when on a worker may claim the run. A run that nobody works on is due when it was started or when it has
-- waited long enough; one that a worker holds is due when the worker's lease ends; one that has ended is never due.
-- `fence` counts the claims: what a worker writes under an older number is refused.
CREATE TABLE runs (
    environment_id      BLOB    NOT NULL REFERENCES environments (id),
    id                  BLOB    NOT NULL CHECK (length(id) = 16),
    token_id            BLOB    NOT NULL CHECK (length(token_id) = 16),
    account_id          BLOB             CHECK (length(account_id) = 16),
    kind                TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    definition          TEXT    NOT NULL,
    input               TEXT    NOT NULL,
    state               TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'done', 'failed', 'cancelled')),
    due_at              INTEGER,
    fence               INTEGER NOT NULL,
    entries             INTEGER NOT NULL,
    cancel_requested_at INTEGER,
    outcome             TEXT,
    created_at          INTEGER NOT NULL,
    started_at          INTEGER,
    finished_at         INTEGER,
    PRIMARY KEY (environment_id, id),
    CHECK ((due_at IS NULL) = (finished_at IS NOT NULL)),
    CHECK ((due_at IS NULL) = (state IN ('done', 'failed', 'cancelled')))
) STRICT;

CREATE INDEX runs_by_due_time ON runs (due_at) WHERE due_at IS NOT NULL;

-- The journal: only ever added to. `entry` is what the run's machine is told; `grounds` names the records that a call read, so
-- that a worker that takes the run over knows which ids the run may write to.
CREATE TABLE run_entries (
    environment_id BLOB    NOT NULL,
    run_id         BLOB    NOT NULL,
    number         INTEGER NOT NULL CHECK (number >= 1),
    at             INTEGER NOT NULL,
    entry          TEXT    NOT NULL,
    grounds        TEXT,
    PRIMARY KEY (environment_id, run_id, number),
    FOREIGN KEY (environment_id, run_id) REFERENCES runs (environment_id, id)
) STRICT;
