-- Only adds: the version before this one goes on working with it, so it can be rolled back to.
ALTER TABLE orders ADD COLUMN paid INTEGER NOT NULL DEFAULT 0;
