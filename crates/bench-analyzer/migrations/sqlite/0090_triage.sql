-- A change that was accepted may be open again. The word stays, so that it reaches stores which heard
-- the one before.
ALTER TABLE blessings ADD COLUMN taken_back_at INTEGER;
ALTER TABLE blessings ADD COLUMN taken_back_by TEXT;

-- Who looks at a change, and what they know of it, by the first run of the new level.
CREATE TABLE triage (
    id        INTEGER PRIMARY KEY,
    series_id INTEGER NOT NULL REFERENCES series (id),
    run_id    INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    assignee  TEXT NOT NULL,
    note      TEXT NOT NULL,
    link      TEXT NOT NULL,
    author    TEXT NOT NULL,
    said_at   INTEGER NOT NULL,
    UNIQUE (series_id, run_id)
) STRICT;
