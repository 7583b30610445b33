-- Connections to servers of language models. The key is sealed and may be absent; settings are JSON.
CREATE TABLE models (
    environment_id uuid   NOT NULL REFERENCES environments (id),
    id             uuid   NOT NULL,
    name           text   NOT NULL,
    settings       text   NOT NULL,
    sealed_key     bytea,
    key_version    bigint NOT NULL,
    version        bigint NOT NULL,
    created_at     bigint NOT NULL,
    updated_at     bigint NOT NULL,
    PRIMARY KEY (environment_id, id),
    UNIQUE (environment_id, name)
);
