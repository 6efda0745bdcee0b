-- A remote checker. There is one for each region; `lost_at` is set while it is silent, `lost_told` says which channels heard of that.
CREATE TABLE probes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    region TEXT NOT NULL UNIQUE,
    token_hash BLOB NOT NULL UNIQUE,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_contact_at INTEGER,
    seen TEXT,
    lost_at INTEGER,
    lost_told TEXT
) STRICT;

-- Two regions may begin a check of the same monitor in the same millisecond.
CREATE TABLE results_by_region (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    region TEXT NOT NULL,
    verdict TEXT NOT NULL,
    dns_ms INTEGER,
    connect_ms INTEGER,
    tls_ms INTEGER,
    first_byte_ms INTEGER,
    total_ms INTEGER,
    status_code INTEGER,
    error_kind TEXT,
    error_text TEXT,
    failed_checks TEXT,
    in_maintenance INTEGER NOT NULL,
    PRIMARY KEY (monitor_id, id, region)
) STRICT, WITHOUT ROWID;
INSERT INTO results_by_region
    SELECT monitor_id, id, region, verdict, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, status_code, error_kind,
        error_text, failed_checks, in_maintenance
    FROM results;
DROP TABLE results;
ALTER TABLE results_by_region RENAME TO results;
