-- What the tool that measured estimated itself, beside the samples that everything here is
-- computed from. It is shown, so that a report can be held against the tool's own output.
CREATE TABLE estimates (
    measurement_id INTEGER NOT NULL REFERENCES measurements (id) ON DELETE CASCADE,
    statistic      TEXT NOT NULL CHECK (statistic IN
                       ('mean', 'median', 'median_abs_dev', 'slope', 'std_dev')),
    point          REAL NOT NULL,
    low            REAL NOT NULL,
    high           REAL NOT NULL,
    level          REAL NOT NULL,
    PRIMARY KEY (measurement_id, statistic)
) STRICT, WITHOUT ROWID;
