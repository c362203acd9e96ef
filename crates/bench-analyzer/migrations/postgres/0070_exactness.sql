-- As in the SQLite schema; see there for what the column means.
ALTER TABLE measurements ADD COLUMN exact BIGINT NOT NULL DEFAULT 0;
