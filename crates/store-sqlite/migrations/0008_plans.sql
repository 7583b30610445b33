-- A plan is a set of writes with their before-states. `document` is all of it, `summary` what lists show; neither is ever changed.
-- A plan is executed once: the run that does it is made in the same transaction. `undoes_run_id` names the run that it undoes.
CREATE TABLE plans (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    id             BLOB    NOT NULL CHECK (length(id) = 16),
    token_id       BLOB    NOT NULL CHECK (length(token_id) = 16),
    account_id     BLOB    NOT NULL CHECK (length(account_id) = 16),
    reason         TEXT,
    state          TEXT    NOT NULL CHECK (state IN ('ready', 'executed', 'discarded')),
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    summary        TEXT    NOT NULL,
    document       TEXT    NOT NULL,
    undoes_run_id  BLOB             CHECK (length(undoes_run_id) = 16),
    run_id         BLOB             CHECK (length(run_id) = 16),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, run_id) REFERENCES runs (environment_id, id),
    CHECK ((run_id IS NOT NULL) = (state = 'executed')),
    CHECK ((ended_at IS NULL) = (state = 'ready'))
) STRICT;

CREATE INDEX plans_by_undone_run ON plans (environment_id, undoes_run_id) WHERE undoes_run_id IS NOT NULL;
