-- `due_at`: from when on a worker may claim the run. A run that nobody works on is due when it was started or when it has
-- waited long enough; one that a worker holds is due when the worker's lease ends; one that has ended is never due.
-- `fence` counts the claims: what a worker writes under an older number is refused.
CREATE TABLE runs (
    environment_id      uuid    NOT NULL REFERENCES environments (id),
    id                  uuid    NOT NULL,
    token_id            uuid    NOT NULL,
    account_id          uuid,
    kind                text    NOT NULL,
    name                text    NOT NULL,
    definition          text    NOT NULL,
    input               text    NOT NULL,
    state               text    NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'done', 'failed', 'cancelled')),
    due_at              bigint,
    fence               bigint  NOT NULL,
    entries             bigint  NOT NULL,
    cancel_requested_at bigint,
    outcome             text,
    created_at          bigint  NOT NULL,
    started_at          bigint,
    finished_at         bigint,
    PRIMARY KEY (environment_id, id),
    CHECK ((due_at IS NULL) = (finished_at IS NOT NULL)),
    CHECK ((due_at IS NULL) = (state IN ('done', 'failed', 'cancelled')))
);

CREATE INDEX runs_by_due_time ON runs (due_at) WHERE due_at IS NOT NULL;

-- The journal: only ever added to. `entry` is what the run's machine is told; `grounds` names the records that a call read, so
-- that a worker that takes the run over knows which ids the run may write to.
CREATE TABLE run_entries (
    environment_id uuid    NOT NULL,
    run_id         uuid    NOT NULL,
    number         bigint  NOT NULL CHECK (number >= 1),
    at             bigint  NOT NULL,
    entry          text    NOT NULL,
    grounds        text,
    PRIMARY KEY (environment_id, run_id, number),
    FOREIGN KEY (environment_id, run_id) REFERENCES runs (environment_id, id)
);
