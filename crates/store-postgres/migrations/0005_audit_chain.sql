-- The chain of the audit log. Records from before it keep no sequence and no hash: nothing proves them, only their number is
-- held (`unchained`), and the chain begins after them.

ALTER TABLE audit ADD COLUMN sequence bigint;
ALTER TABLE audit ADD COLUMN hash bytea;

-- The log is verified in this order, and no two records can have one place.
CREATE UNIQUE INDEX audit_by_sequence ON audit (environment_id, sequence);

-- One head for each environment: who appends locks it, takes the next places and moves it, in one transaction, so that two
-- replicas cannot fork the chain.
CREATE TABLE audit_chains (
    environment_id uuid   NOT NULL PRIMARY KEY,
    sequence       bigint NOT NULL,
    hash           bytea  NOT NULL CHECK (octet_length(hash) = 32),
    unchained      bigint NOT NULL,
    pruned         bigint NOT NULL,
    checkpointed   bigint NOT NULL
);

INSERT INTO audit_chains (environment_id, sequence, hash, unchained, pruned, checkpointed)
SELECT id, 0, decode(repeat('00', 32), 'hex'),
       (SELECT count(*) FROM audit WHERE audit.environment_id = environments.id), 0, 0
FROM environments;

CREATE TABLE audit_keys (
    environment_id uuid  NOT NULL PRIMARY KEY REFERENCES environments (id),
    public_key     bytea NOT NULL CHECK (octet_length(public_key) = 32),
    sealed_key     bytea NOT NULL
);

CREATE TABLE audit_checkpoints (
    environment_id uuid   NOT NULL,
    sequence       bigint NOT NULL,
    kind           text   NOT NULL,
    first          bigint NOT NULL,
    count          bigint NOT NULL,
    unchained      bigint NOT NULL,
    at             bigint NOT NULL,
    hash           bytea  NOT NULL,
    signature      bytea  NOT NULL,
    PRIMARY KEY (environment_id, sequence, kind)
);
