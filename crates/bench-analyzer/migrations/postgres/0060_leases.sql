-- As in the SQLite schema; see there for what the columns mean.
ALTER TABLE jobs ADD COLUMN machine TEXT COLLATE "C";
ALTER TABLE jobs ADD COLUMN beat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN beat_at BIGINT;
ALTER TABLE jobs ADD COLUMN put_off BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN not_before BIGINT;

CREATE TABLE job_results (
    job_id BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    run_id BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    PRIMARY KEY (job_id, run_id)
);
CREATE INDEX results_by_run ON job_results (run_id);

INSERT INTO job_results (job_id, run_id)
SELECT jobs.id, runs.id FROM jobs
JOIN runs ON runs.origin LIKE '%/continuous/job-' || jobs.id || '/run-%'
WHERE jobs.state = 'running';
