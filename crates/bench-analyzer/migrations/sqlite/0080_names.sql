-- Names that files have for measurements, where they go by others here. With them, a renaming can be
-- taken back after two histories became one.
CREATE TABLE named_measurements (
    measurement_id INTEGER PRIMARY KEY REFERENCES measurements (id) ON DELETE CASCADE,
    name           TEXT NOT NULL
) STRICT;
CREATE INDEX named_by_name ON named_measurements (name);
