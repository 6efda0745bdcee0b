-- Where SQLite puts pings as they come; here they are filed at once, and this stays empty.
CREATE TABLE new_pings (
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    method TEXT NOT NULL,
    remote_addr TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    rid UUID,
    exit_status BIGINT,
    duration_ms BIGINT,
    body BYTEA,
    body_bytes BIGINT NOT NULL,
    note TEXT
);

CREATE VIEW all_pings AS
    SELECT monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body, body_bytes, note
    FROM pings
    UNION ALL
    SELECT monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body, body_bytes, note
    FROM new_pings;
