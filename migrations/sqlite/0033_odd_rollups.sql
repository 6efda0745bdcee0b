-- A list reads what was not simply up of all its rows: from the index alone, not from a page of the table for each.
DROP INDEX hourly_rollups_odd;
CREATE INDEX hourly_rollups_odd ON hourly_rollups (monitor_id, slot, up_ms, degraded_ms, down_ms, maintenance_ms, outages)
    WHERE up_ms < 3600000;
DROP INDEX daily_rollups_odd;
CREATE INDEX daily_rollups_odd ON daily_rollups (monitor_id, slot, up_ms, degraded_ms, down_ms, maintenance_ms, outages)
    WHERE up_ms < 86400000;
