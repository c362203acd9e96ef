-- As the file of this name for SQLite, which has the comments.
ALTER TABLE run_sets ADD COLUMN chosen_at BIGINT NOT NULL DEFAULT 0;
UPDATE run_sets SET chosen_at =
    coalesce((SELECT max(measured_at) FROM runs WHERE runs.set_id = run_sets.id), imported_at);
