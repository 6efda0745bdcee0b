-- Pings are JSON: each an array of the columns of the former `pings` in their order but `body`, and `rid` as hexadecimal
-- digits. Those of a commit are one value, and so are up to 32 of a monitor, a sheet: a row for each took longer than all the rest of a ping.
DROP VIEW all_pings;
INSERT INTO pings
    SELECT monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body, body_bytes, note
    FROM new_pings WHERE true ON CONFLICT DO NOTHING;
DROP TABLE new_pings;

CREATE TABLE new_pings (
    id INTEGER PRIMARY KEY,
    pings TEXT NOT NULL
) STRICT;

CREATE TABLE ping_sheets (
    id INTEGER PRIMARY KEY,
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    -- The numbers of its first and its last ping.
    first_n INTEGER NOT NULL,
    n INTEGER NOT NULL,
    pings TEXT NOT NULL
) STRICT;

-- To list pings is to read sheets, which must not be long.
CREATE TABLE ping_bodies (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (monitor_id, n)
) STRICT;

INSERT INTO ping_bodies SELECT monitor_id, n, body FROM pings WHERE body IS NOT NULL;
-- Sheet by sheet, as a sort of all pings would not fit into the memory of a small machine.
INSERT INTO ping_sheets (monitor_id, first_n, n, pings)
    WITH RECURSIVE sheet (monitor_id, k, last_k) AS (
        SELECT m.id, (SELECT MIN(n) FROM pings WHERE monitor_id = m.id) / 32, (SELECT MAX(n) FROM pings WHERE monitor_id = m.id) / 32
        FROM monitors m
        UNION ALL
        SELECT monitor_id, k + 1, last_k FROM sheet WHERE k < last_k
    )
    SELECT s.monitor_id,
        (SELECT MIN(n) FROM pings p WHERE p.monitor_id = s.monitor_id AND p.n >= 32 * s.k),
        (SELECT MAX(n) FROM pings p WHERE p.monitor_id = s.monitor_id AND p.n < 32 * (s.k + 1)),
        (SELECT json_group_array(json_array(monitor_id, n, at, kind, method, remote_addr, user_agent, iif(rid IS NULL, NULL, hex(rid)),
            exit_status, duration_ms, body_bytes, note) ORDER BY n)
        FROM pings p WHERE p.monitor_id = s.monitor_id AND p.n >= 32 * s.k AND p.n < 32 * (s.k + 1))
    FROM sheet s
    WHERE EXISTS (SELECT 1 FROM pings p WHERE p.monitor_id = s.monitor_id AND p.n >= 32 * s.k AND p.n < 32 * (s.k + 1));
-- Only PostgreSQL uses it from now on.
DELETE FROM pings;

CREATE INDEX ping_sheets_by_monitor ON ping_sheets (monitor_id, n);
