-- Benchmarks that run by themselves. Times are milliseconds since the Unix epoch.

-- How far every schedule of every suite has been followed. A schedule that is written
-- differently is another one, and starts anew.
CREATE TABLE schedules (
    suite       TEXT NOT NULL,
    schedule    TEXT NOT NULL,
    followed_to INTEGER NOT NULL,
    -- The newest commit that became a job, for schedules that watch a branch.
    commit_sha  TEXT,
    PRIMARY KEY (suite, schedule)
) STRICT, WITHOUT ROWID;

-- Planned executions of suites.
CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY,
    suite       TEXT NOT NULL,
    cause       TEXT NOT NULL CHECK (cause IN ('interval', 'cron', 'commit', 'asked')),
    due_at      INTEGER NOT NULL,
    -- The commit to measure; none means whatever is checked out.
    commit_sha  TEXT,
    state       TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed')),
    runs_wanted INTEGER NOT NULL,
    -- Who runs it, and the state of the source code that it began with.
    host        TEXT,
    revision    TEXT,
    started_at  INTEGER,
    finished_at INTEGER,
    failure     TEXT,
    summary     TEXT,
    report      TEXT
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, due_at);
-- A suite that waits does not have to wait twice; every commit is measured for itself.
CREATE UNIQUE INDEX one_pending_job ON jobs (suite) WHERE state = 'pending' AND commit_sha IS NULL;
CREATE UNIQUE INDEX one_job_a_commit ON jobs (suite, commit_sha) WHERE commit_sha IS NOT NULL;

-- The runs of a job that succeeded, so that a restart goes on behind them.
CREATE TABLE job_runs (
    job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- What somebody was told about and is not over. An empty benchmark stands for the suite itself.
CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY,
    suite       TEXT NOT NULL,
    benchmark   TEXT NOT NULL,
    metric      TEXT NOT NULL,
    opened_job  INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    opened_at   INTEGER NOT NULL,
    -- By which factor it got worse, as it was last told.
    factor      REAL NOT NULL,
    factor_low  REAL NOT NULL,
    factor_high REAL NOT NULL,
    resolved_at INTEGER,
    resolution  TEXT
) STRICT;
CREATE UNIQUE INDEX one_open_alert ON alerts (suite, benchmark, metric) WHERE resolved_at IS NULL;

-- Notices on their way. A row is delivered at least once, or given up after long.
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY,
    channel      TEXT NOT NULL,
    notice       TEXT NOT NULL,
    queued_at    INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER NOT NULL,
    delivered_at INTEGER,
    given_up_at  INTEGER,
    last_error   TEXT
) STRICT;
CREATE INDEX outbox_waiting ON outbox (next_at) WHERE delivered_at IS NULL AND given_up_at IS NULL;
