-- When somebody last asked for the runs of a set: the one asked for last is the latest. What nobody
-- asked for, because it was found along the way, counts from when it was measured.
ALTER TABLE run_sets ADD COLUMN chosen_at INTEGER NOT NULL DEFAULT 0;
UPDATE run_sets SET chosen_at =
    coalesce((SELECT max(measured_at) FROM runs WHERE runs.set_id = run_sets.id), imported_at);
