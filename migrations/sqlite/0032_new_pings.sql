-- Pings as they come. Each in its place among those of its monitor would be a page to write; here a commit's pings are one page.
-- They are filed there many at a time.
CREATE TABLE new_pings (
    id INTEGER PRIMARY KEY,
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    method TEXT NOT NULL,
    remote_addr TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    rid BLOB,
    exit_status INTEGER,
    duration_ms INTEGER,
    body BLOB,
    body_bytes INTEGER NOT NULL,
    note TEXT
) STRICT;

CREATE VIEW all_pings AS
    SELECT monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body, body_bytes, note
    FROM pings
    UNION ALL
    SELECT monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body, body_bytes, note
    FROM new_pings;
