-- As in the SQLite schema; see there for what it holds.
CREATE TABLE named_measurements (
    measurement_id BIGINT PRIMARY KEY REFERENCES measurements (id) ON DELETE CASCADE,
    name           TEXT NOT NULL
);
CREATE INDEX named_by_name ON named_measurements (name);
