-- What a run was started with stands apart from where it stands: a list of a hundred thousand people is written once, and not
-- again with every entry of the journal.
CREATE TABLE run_starts (
    environment_id BLOB NOT NULL,
    run_id         BLOB NOT NULL,
    definition     TEXT NOT NULL,
    input          TEXT NOT NULL,
    PRIMARY KEY (environment_id, run_id),
    FOREIGN KEY (environment_id, run_id) REFERENCES runs (environment_id, id)
) STRICT;

INSERT INTO run_starts (environment_id, run_id, definition, input) SELECT environment_id, id, definition, input FROM runs;

ALTER TABLE runs DROP COLUMN definition;
ALTER TABLE runs DROP COLUMN input;
