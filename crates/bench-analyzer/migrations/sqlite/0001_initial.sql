-- "bnch": tells this file from another program's database.
PRAGMA application_id = 1651401576;

-- What was measured, apart from the values measured: a series is one metric of one benchmark.
-- The unit is part of the identity, so values in different units never meet.
CREATE TABLE series (
    id        INTEGER PRIMARY KEY,
    benchmark TEXT NOT NULL,
    metric    TEXT NOT NULL,
    unit      TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('lower', 'higher', 'neutral')),
    UNIQUE (benchmark, metric, unit, direction)
) STRICT;

-- The machine and toolchain that values are comparable within.
CREATE TABLE fingerprints (
    id      INTEGER PRIMARY KEY,
    cpu     TEXT NOT NULL,
    cores   INTEGER NOT NULL,
    os      TEXT NOT NULL,
    rustc   TEXT NOT NULL,
    profile TEXT NOT NULL,
    UNIQUE (cpu, cores, os, rustc, profile)
) STRICT;

-- Runs that were imported together and measure the same code: replicates of each other.
CREATE TABLE run_sets (
    id          INTEGER PRIMARY KEY,
    imported_at INTEGER NOT NULL
) STRICT;

-- One process that measured. Times are milliseconds since the Unix epoch.
CREATE TABLE runs (
    id             INTEGER PRIMARY KEY,
    set_id         INTEGER NOT NULL REFERENCES run_sets (id),
    fingerprint_id INTEGER NOT NULL REFERENCES fingerprints (id),
    measured_at    INTEGER NOT NULL,
    imported_at    INTEGER NOT NULL,
    -- `current` results can be the latest ones; `earlier` ones and mirrored baselines cannot.
    role           TEXT NOT NULL CHECK (role IN ('current', 'earlier', 'mirror')),
    source         TEXT NOT NULL,
    origin         TEXT NOT NULL,
    label          TEXT,
    commit_sha     TEXT,
    branch         TEXT,
    dirty          INTEGER CHECK (dirty IN (0, 1))
) STRICT;
CREATE INDEX runs_by_set ON runs (set_id);
CREATE INDEX runs_by_time ON runs (measured_at);

-- One series in one run, summarised. The digest of its content makes importing idempotent.
CREATE TABLE measurements (
    id              INTEGER PRIMARY KEY,
    run_id          INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    series_id       INTEGER NOT NULL REFERENCES series (id),
    digest          BLOB NOT NULL UNIQUE,
    sample_count    INTEGER NOT NULL,
    median          REAL NOT NULL,
    minimum         REAL NOT NULL,
    p90             REAL NOT NULL,
    relative_spread REAL NOT NULL,
    relative_error  REAL NOT NULL,
    UNIQUE (run_id, series_id)
) STRICT;
CREATE INDEX measurements_by_series ON measurements (series_id);

-- Raw samples, apart so that reading summaries does not drag them along.
CREATE TABLE samples (
    measurement_id INTEGER PRIMARY KEY REFERENCES measurements (id) ON DELETE CASCADE,
    data           BLOB NOT NULL
) STRICT;

-- The work of one iteration, for rates. Two rows where a benchmark counts elements and bytes.
CREATE TABLE throughputs (
    measurement_id INTEGER NOT NULL REFERENCES measurements (id) ON DELETE CASCADE,
    kind           TEXT NOT NULL CHECK (kind IN ('bits', 'bytes', 'bytes_decimal', 'elements')),
    amount         INTEGER NOT NULL,
    PRIMARY KEY (measurement_id, kind)
) STRICT, WITHOUT ROWID;

-- A named side of a comparison. It holds measurements, not runs: a filtered run replaces only
-- the benchmarks that it measured, as in Criterion.
CREATE TABLE baselines (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE baseline_members (
    baseline_id    INTEGER NOT NULL REFERENCES baselines (id) ON DELETE CASCADE,
    measurement_id INTEGER NOT NULL REFERENCES measurements (id) ON DELETE CASCADE,
    PRIMARY KEY (baseline_id, measurement_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_measurement ON baseline_members (measurement_id);
