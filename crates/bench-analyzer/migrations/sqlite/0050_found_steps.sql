-- Steps that were found in histories, by the first run of the new level. They stay when later
-- values no longer show them, and are withdrawn only with a reason.
CREATE TABLE found_steps (
    id             INTEGER PRIMARY KEY,
    series_id      INTEGER NOT NULL REFERENCES series (id),
    run_id         INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    old_level      REAL NOT NULL,
    new_level      REAL NOT NULL,
    p_value        REAL NOT NULL,
    -- Whether the level jumped at the very place. Such a step only a person withdraws.
    sharp          INTEGER NOT NULL CHECK (sharp IN (0, 1)),
    found_at       INTEGER NOT NULL,
    withdrawn_at   INTEGER,
    withdrawn_why  TEXT,
    -- Who withdrew it; nobody did if later values speak against it.
    withdrawn_by   TEXT,
    UNIQUE (series_id, run_id)
) STRICT;
