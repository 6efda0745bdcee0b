-- The regions that a monitor is checked from, to search by; none of one that is checked from the server's own alone.
CREATE TABLE monitor_regions (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    region TEXT NOT NULL,
    PRIMARY KEY (monitor_id, region)
) STRICT, WITHOUT ROWID;
INSERT INTO monitor_regions (monitor_id, region)
    SELECT DISTINCT m.id, r.value FROM monitors m, json_each(m.settings, '$.target.regions') r;
