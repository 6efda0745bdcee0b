-- A window that repeats has all three; starts_at and ends_at are then the time that is open or comes next.
ALTER TABLE maintenance_windows ADD COLUMN cron TEXT;
ALTER TABLE maintenance_windows ADD COLUMN timezone TEXT;
ALTER TABLE maintenance_windows ADD COLUMN duration_minutes INTEGER;

-- The times that a repeating window was open.
CREATE TABLE past_windows (
    window_id INTEGER NOT NULL REFERENCES maintenance_windows (id) ON DELETE CASCADE,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (window_id, starts_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX past_windows_ends ON past_windows (ends_at);
