-- One row a version; the highest version of an environment is in force. Rows are never changed.
CREATE TABLE policies (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    version        INTEGER NOT NULL CHECK (version > 0),
    document       TEXT    NOT NULL,
    token_id       BLOB    NOT NULL,
    restored_from  INTEGER,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, version)
) STRICT;

-- What the guards looked at and what decided, JSON.
ALTER TABLE audit ADD COLUMN decision TEXT;
