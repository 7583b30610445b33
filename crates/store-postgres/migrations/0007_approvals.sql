-- What a person has to say yes to. `fingerprint` tells what it is about without telling it; at most one that can still let
-- something through has the same. `record_digest`: what the record was like when it was asked for. `expires_at`: until when it can
-- be decided; once a call is approved, until when it can be made. `used_by` names the one request that was let through.
CREATE TABLE approvals (
    environment_id uuid    NOT NULL REFERENCES environments (id),
    id             uuid    NOT NULL,
    kind           text    NOT NULL CHECK (kind IN ('call', 'run', 'plan', 'rows')),
    fingerprint    bytea   NOT NULL CHECK (length(fingerprint) = 32),
    record_digest  bytea            CHECK (length(record_digest) = 32),
    token_id       uuid    NOT NULL,
    session        text,
    run_id         uuid,
    step           text,
    account_id     uuid,
    subject        text    NOT NULL,
    card           text    NOT NULL,
    terms          text    NOT NULL,
    quorum         bigint  NOT NULL CHECK (quorum BETWEEN 1 AND 10),
    state          text    NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'used')),
    created_at     bigint  NOT NULL,
    expires_at     bigint  NOT NULL,
    decided_at     bigint,
    used_by        text,
    used_at        bigint,
    PRIMARY KEY (environment_id, id),
    CHECK ((used_by IS NULL) = (used_at IS NULL)),
    CHECK (state <> 'used' OR used_by IS NOT NULL)
);

CREATE UNIQUE INDEX approvals_open ON approvals (environment_id, fingerprint) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_by_fingerprint ON approvals (environment_id, fingerprint, id);
CREATE INDEX approvals_by_run ON approvals (environment_id, run_id, id) WHERE run_id IS NOT NULL;

-- One vote an approver: a token, or a person with a link. Only ever added to.
CREATE TABLE approval_votes (
    environment_id uuid    NOT NULL,
    approval_id    uuid    NOT NULL,
    approver       text    NOT NULL,
    name           text    NOT NULL,
    approve        boolean NOT NULL,
    vetoed         text    NOT NULL,
    reason         text,
    at             bigint  NOT NULL,
    PRIMARY KEY (environment_id, approval_id, approver),
    FOREIGN KEY (environment_id, approval_id) REFERENCES approvals (environment_id, id)
);
