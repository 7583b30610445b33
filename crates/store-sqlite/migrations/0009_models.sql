-- Connections to servers of language models. The key is sealed and may be absent; settings are JSON.
CREATE TABLE models (
    environment_id BLOB    NOT NULL REFERENCES environments (id),
    id             BLOB    NOT NULL,
    name           TEXT    NOT NULL,
    settings       TEXT    NOT NULL,
    sealed_key     BLOB,
    key_version    INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, id),
    UNIQUE (environment_id, name)
) STRICT;
