-- What is kept for long: one row an hour and one a day for each monitor. `slot` is the number of the hour or day since the epoch, in
-- UTC. The four times say how long it was in what; what is missing to the whole is not known. `outages` began in it. `latency` is a
-- histogram.
CREATE TABLE hourly_rollups (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    slot INTEGER NOT NULL,
    up_ms INTEGER NOT NULL,
    degraded_ms INTEGER NOT NULL,
    down_ms INTEGER NOT NULL,
    maintenance_ms INTEGER NOT NULL,
    outages INTEGER NOT NULL,
    checks INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    latency BLOB,
    PRIMARY KEY (monitor_id, slot)
) STRICT, WITHOUT ROWID;
-- Reads ask for what was not simply up: of a good monitor that is nothing.
CREATE INDEX hourly_rollups_odd ON hourly_rollups (monitor_id, slot) WHERE up_ms < 3600000;

CREATE TABLE daily_rollups (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    slot INTEGER NOT NULL,
    up_ms INTEGER NOT NULL,
    degraded_ms INTEGER NOT NULL,
    down_ms INTEGER NOT NULL,
    maintenance_ms INTEGER NOT NULL,
    outages INTEGER NOT NULL,
    checks INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    latency BLOB,
    PRIMARY KEY (monitor_id, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX daily_rollups_odd ON daily_rollups (monitor_id, slot) WHERE up_ms < 86400000;

-- Hours that are rolled up already and must be again, as something that belongs to them became known later.
CREATE TABLE rollup_redos (
    monitor_id INTEGER NOT NULL PRIMARY KEY REFERENCES monitors (id) ON DELETE CASCADE,
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL
) STRICT;

-- The names of regions, so that a result needs only a number.
CREATE TABLE result_regions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO result_regions (name) SELECT DISTINCT region FROM results;

-- Two regions may begin a check of a monitor in the same millisecond, so the region is in the key.
-- Results in few bytes: SQLite spends none on a 0, a 1 or a NULL. verdict: 0 unknown, 1 up, 2 degraded, 3 down. `trouble` is why it
-- is not up: kind, text, failed_checks.
CREATE TABLE compact_results (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    region INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    dns_ms INTEGER,
    connect_ms INTEGER,
    tls_ms INTEGER,
    first_byte_ms INTEGER,
    total_ms INTEGER,
    status_code INTEGER,
    in_maintenance INTEGER NOT NULL,
    trouble TEXT,
    PRIMARY KEY (monitor_id, id, region)
) STRICT, WITHOUT ROWID;
INSERT INTO compact_results
    SELECT r.monitor_id, r.id, g.id,
        CASE r.verdict WHEN 'up' THEN 1 WHEN 'degraded' THEN 2 WHEN 'down' THEN 3 ELSE 0 END,
        r.dns_ms, r.connect_ms, r.tls_ms, r.first_byte_ms, r.total_ms, r.status_code, r.in_maintenance,
        CASE WHEN r.error_kind IS NOT NULL OR r.failed_checks IS NOT NULL THEN
            json_object('kind', r.error_kind, 'text', COALESCE(r.error_text, ''),
                'failed_checks', json(COALESCE(r.failed_checks, '{}')))
        END
    FROM results r JOIN result_regions g ON g.name = r.region;
DROP TABLE results;
ALTER TABLE compact_results RENAME TO results;
