-- The regions that a monitor is checked from, to search by; none of one that is checked from the server's own alone.
CREATE TABLE monitor_regions (
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    region TEXT NOT NULL,
    PRIMARY KEY (monitor_id, region)
);
INSERT INTO monitor_regions (monitor_id, region)
    SELECT DISTINCT m.id, r.value FROM monitors m,
        jsonb_array_elements_text(COALESCE(m.settings::jsonb -> 'target' -> 'regions', '[]'::jsonb)) AS r (value);
