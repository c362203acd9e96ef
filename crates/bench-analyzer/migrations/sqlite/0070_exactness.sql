-- Whether the file that it came from declared that one value says everything: 1 if it did.
ALTER TABLE measurements ADD COLUMN exact INTEGER NOT NULL DEFAULT 0;
