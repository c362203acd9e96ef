-- When somebody was told last about an alert; rows from before this say when they were opened.
ALTER TABLE alerts ADD COLUMN told_at INTEGER;

-- Steps of histories that somebody was told about, by the first run of the new level. They stay
-- when they are over, so that none is told twice.
CREATE TABLE step_alerts (
    id          INTEGER PRIMARY KEY,
    suite       TEXT NOT NULL,
    benchmark   TEXT NOT NULL,
    metric      TEXT NOT NULL,
    run_id      INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    opened_job  INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    opened_at   INTEGER NOT NULL,
    -- The level before, and by which factor the new one is worse.
    level       REAL NOT NULL,
    factor      REAL NOT NULL,
    resolved_at INTEGER,
    resolution  TEXT,
    UNIQUE (suite, benchmark, metric, run_id)
) STRICT;
