-- What tells runs apart, what else is known of them, and what people decide about them.

-- The digest without what was only claimed of a run when it was imported.
ALTER TABLE measurements ADD COLUMN content BLOB NOT NULL DEFAULT x'';
UPDATE measurements SET content = digest;
CREATE INDEX measurements_by_content ON measurements (content);
-- When the raw samples were given up. The summary stays.
ALTER TABLE measurements ADD COLUMN pruned_at INTEGER;

-- Where the commit stands among others, if git knew it when the run was imported.
ALTER TABLE runs ADD COLUMN committed_at INTEGER;
ALTER TABLE runs ADD COLUMN ancestors INTEGER;
-- Why the run takes no part in reports and histories.
ALTER TABLE runs ADD COLUMN excluded TEXT;

-- Circumstances that change too often to start a history anew with them.
CREATE TABLE run_attributes (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name   TEXT NOT NULL CHECK (name IN ('kernel', 'microcode', 'hypervisor', 'compiler_flags',
                                         'runner_image')),
    value  TEXT NOT NULL,
    PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;

-- Measurements that were removed, so that importing their files again does not bring them back.
CREATE TABLE removed_measurements (
    digest  BLOB NOT NULL PRIMARY KEY,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX removed_by_content ON removed_measurements (content);

-- Names that benchmarks had, or have elsewhere, and the names they go by here.
CREATE TABLE aliases (
    name      TEXT NOT NULL PRIMARY KEY,
    benchmark TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was done to the history by hand.
CREATE TABLE care (
    id      INTEGER PRIMARY KEY,
    done_at INTEGER NOT NULL,
    action  TEXT NOT NULL CHECK (action IN ('remove', 'exclude', 'include', 'prune', 'rename')),
    subject TEXT NOT NULL,
    reason  TEXT NOT NULL,
    author  TEXT NOT NULL
) STRICT;
