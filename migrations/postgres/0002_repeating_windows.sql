-- A window that repeats has all three; starts_at and ends_at are then the time that is open or comes next.
ALTER TABLE maintenance_windows ADD COLUMN cron TEXT;
ALTER TABLE maintenance_windows ADD COLUMN timezone TEXT;
ALTER TABLE maintenance_windows ADD COLUMN duration_minutes BIGINT;

-- The times that a repeating window was open.
CREATE TABLE past_windows (
    window_id BIGINT NOT NULL REFERENCES maintenance_windows (id) ON DELETE CASCADE,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (window_id, starts_at)
);
CREATE INDEX past_windows_ends ON past_windows (ends_at);
