-- One row a version; the highest version of an environment is in force. Rows are never changed.
CREATE TABLE policies (
    environment_id uuid   NOT NULL REFERENCES environments (id),
    version        bigint NOT NULL CHECK (version > 0),
    document       text   NOT NULL,
    token_id       uuid   NOT NULL,
    restored_from  bigint,
    created_at     bigint NOT NULL,
    PRIMARY KEY (environment_id, version)
);

-- What the guards looked at and what decided, JSON.
ALTER TABLE audit ADD COLUMN decision text;
