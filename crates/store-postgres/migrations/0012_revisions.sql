-- What replicas have to hear of: one row for every change of something that processes hold in memory. Whoever takes a number
-- holds the head until its transaction ends, so that numbers have no gaps and follow the order of the commits: who has read up
-- to a number has missed nothing below it.
CREATE TABLE revision_head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number   bigint  NOT NULL
);

INSERT INTO revision_head (number) VALUES (0);

CREATE TABLE revisions (
    number         bigint PRIMARY KEY,
    environment_id uuid   NOT NULL REFERENCES environments (id),
    topic          text   NOT NULL,
    subject        text   NOT NULL
);
