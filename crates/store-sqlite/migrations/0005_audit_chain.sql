-- The chain of the audit log. Records from before it keep no sequence and no hash: nothing proves them, only their number is
-- held (`unchained`), and the chain begins after them.

ALTER TABLE audit ADD COLUMN sequence INTEGER;
ALTER TABLE audit ADD COLUMN hash BLOB;

-- The log is verified in this order, and no two records can have one place.
CREATE UNIQUE INDEX audit_by_sequence ON audit (environment_id, sequence);

-- One head for each environment: who appends holds it, takes the next places and moves it, in one transaction.
CREATE TABLE audit_chains (
    environment_id BLOB    NOT NULL PRIMARY KEY,
    sequence       INTEGER NOT NULL,
    hash           BLOB    NOT NULL CHECK (length(hash) = 32),
    unchained      INTEGER NOT NULL,
    pruned         INTEGER NOT NULL,
    checkpointed   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO audit_chains (environment_id, sequence, hash, unchained, pruned, checkpointed)
SELECT id, 0, zeroblob(32), (SELECT count(*) FROM audit WHERE audit.environment_id = environments.id), 0, 0
FROM environments;

CREATE TABLE audit_keys (
    environment_id BLOB NOT NULL PRIMARY KEY REFERENCES environments (id),
    public_key     BLOB NOT NULL CHECK (length(public_key) = 32),
    sealed_key     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_checkpoints (
    environment_id BLOB    NOT NULL,
    sequence       INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    first          INTEGER NOT NULL,
    count          INTEGER NOT NULL,
    unchained      INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    hash           BLOB    NOT NULL,
    signature      BLOB    NOT NULL,
    PRIMARY KEY (environment_id, sequence, kind)
) STRICT, WITHOUT ROWID;
