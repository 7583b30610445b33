-- A plan is a set of writes with their before-states. `document` is all of it, `summary` what lists show; neither is ever changed.
-- A plan is executed once: the run that does it is made in the same transaction. `undoes_run_id` names the run that it undoes.
CREATE TABLE plans (
    environment_id uuid   NOT NULL REFERENCES environments (id),
    id             uuid   NOT NULL,
    token_id       uuid   NOT NULL,
    account_id     uuid   NOT NULL,
    reason         text,
    state          text   NOT NULL CHECK (state IN ('ready', 'executed', 'discarded')),
    hash           bytea  NOT NULL CHECK (length(hash) = 32),
    summary        text   NOT NULL,
    document       text   NOT NULL,
    undoes_run_id  uuid,
    run_id         uuid,
    created_at     bigint NOT NULL,
    expires_at     bigint NOT NULL,
    ended_at       bigint,
    PRIMARY KEY (environment_id, id),
    FOREIGN KEY (environment_id, run_id) REFERENCES runs (environment_id, id),
    CHECK ((run_id IS NOT NULL) = (state = 'executed')),
    CHECK ((ended_at IS NULL) = (state = 'ready'))
);

CREATE INDEX plans_by_undone_run ON plans (environment_id, undoes_run_id) WHERE undoes_run_id IS NOT NULL;
