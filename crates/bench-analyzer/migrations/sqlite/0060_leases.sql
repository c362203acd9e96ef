-- Which machine runs a job, and that it still does. Its number stays when its name changes.
ALTER TABLE jobs ADD COLUMN machine TEXT;
-- Counts up while somebody runs it; others take a job over whose beats stand still.
ALTER TABLE jobs ADD COLUMN beat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN beat_at INTEGER;
-- How often it was put off because of something that is not its code's fault, and until when it is.
ALTER TABLE jobs ADD COLUMN put_off INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN not_before INTEGER;

-- The runs that are the results of a job, whatever their values and wherever they came from.
CREATE TABLE job_results (
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    PRIMARY KEY (job_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX results_by_run ON job_results (run_id);

-- A job that was being concluded when the program was updated.
INSERT INTO job_results (job_id, run_id)
SELECT jobs.id, runs.id FROM jobs
JOIN runs ON runs.origin LIKE '%/continuous/job-' || jobs.id || '/run-%'
WHERE jobs.state = 'running';
