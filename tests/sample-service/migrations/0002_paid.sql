-- Only adds a column. The previous version still works with this schema, so a rollback to it is possible.
ALTER TABLE orders ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;
