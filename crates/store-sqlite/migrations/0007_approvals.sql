-- What a person has to say yes to. `fingerprint` tells what it is about without telling it; at most one that can still let
-- something through has the same. `record_digest`: what the record was like when it was asked for. `expires_at`: until when it can
-- be decided; once a call is approved, until when it can be made. `used_by` names the one request that was let through.
CREATE TABLE approvals (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    id             BLOB    NOT NULL CHECK (length(id) = 16),
    kind           TEXT    NOT NULL CHECK (kind IN ('call', 'run', 'plan', 'rows')),
    fingerprint    BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    record_digest  BLOB             CHECK (length(record_digest) = 32),
    token_id       BLOB    NOT NULL CHECK (length(token_id) = 16),
    session        TEXT,
    run_id         BLOB             CHECK (length(run_id) = 16),
    step           TEXT,
    account_id     BLOB             CHECK (length(account_id) = 16),
    subject        TEXT    NOT NULL,
    card           TEXT    NOT NULL,
    terms          TEXT    NOT NULL,
    quorum         INTEGER NOT NULL CHECK (quorum BETWEEN 1 AND 10),
    state          TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'used')),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    decided_at     INTEGER,
    used_by        TEXT,
    used_at        INTEGER,
    PRIMARY KEY (environment_id, id),
    CHECK ((used_by IS NULL) = (used_at IS NULL)),
    CHECK (state <> 'used' OR used_by IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX approvals_open ON approvals (environment_id, fingerprint) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_by_fingerprint ON approvals (environment_id, fingerprint, id);
CREATE INDEX approvals_by_run ON approvals (environment_id, run_id, id) WHERE run_id IS NOT NULL;

-- One vote an approver: a token, or a person with a link. Only ever added to.
CREATE TABLE approval_votes (
    environment_id BLOB    NOT NULL,
    approval_id    BLOB    NOT NULL,
    approver       TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    approve        INTEGER NOT NULL CHECK (approve IN (0, 1)),
    vetoed         TEXT    NOT NULL,
    reason         TEXT,
    at             INTEGER NOT NULL,
    PRIMARY KEY (environment_id, approval_id, approver),
    FOREIGN KEY (environment_id, approval_id) REFERENCES approvals (environment_id, id)
) STRICT;
