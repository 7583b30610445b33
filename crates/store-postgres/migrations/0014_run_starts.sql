-- What a run was started with stands apart from where it stands: a list of a hundred thousand people is written once, and not
-- again with every entry of the journal.
CREATE TABLE run_starts (
    environment_id uuid NOT NULL,
    run_id         uuid NOT NULL,
    definition     text NOT NULL,
    input          text NOT NULL,
    PRIMARY KEY (environment_id, run_id),
    FOREIGN KEY (environment_id, run_id) REFERENCES runs (environment_id, id)
);

INSERT INTO run_starts (environment_id, run_id, definition, input) SELECT environment_id, id, definition, input FROM runs;

ALTER TABLE runs DROP COLUMN definition;
ALTER TABLE runs DROP COLUMN input;
