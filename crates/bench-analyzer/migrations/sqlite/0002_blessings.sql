-- Changes that somebody looked at and accepted. They are known by the first run of the new level.
CREATE TABLE blessings (
    id         INTEGER PRIMARY KEY,
    series_id  INTEGER NOT NULL REFERENCES series (id),
    run_id     INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    reason     TEXT NOT NULL,
    author     TEXT NOT NULL,
    blessed_at INTEGER NOT NULL,
    UNIQUE (series_id, run_id)
) STRICT;
