-- Times are epoch milliseconds in UTC. Columns called sealed_* are encrypted with the secret key.
CREATE TABLE settings (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL,
    email_folded TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    token_hash BLOB NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;

CREATE TABLE channels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed_config BLOB NOT NULL,
    enabled INTEGER NOT NULL,
    is_default INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_delivery_at INTEGER,
    last_error TEXT,
    failed_at INTEGER
) STRICT;

CREATE TABLE monitors (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    search_text TEXT NOT NULL,
    uuid BLOB UNIQUE,
    settings TEXT NOT NULL,
    sealed_headers BLOB,
    paused INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE monitor_tags (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (monitor_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX monitor_tags_tag ON monitor_tags (tag, monitor_id);

-- What is known of a monitor now. `state` is the whole of it; the other columns repeat what is searched by.
CREATE TABLE monitor_states (
    monitor_id INTEGER NOT NULL PRIMARY KEY REFERENCES monitors (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    is_confirming INTEGER NOT NULL,
    due_at INTEGER,
    deadline_at INTEGER,
    state TEXT NOT NULL
) STRICT;
CREATE INDEX monitor_states_deadline ON monitor_states (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX monitor_states_status ON monitor_states (status);

-- From `at` on the monitor was in `status`, until the next row. NULL is a gap: nobody was looking.
CREATE TABLE status_changes (
    monitor_id INTEGER NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    status TEXT,
    PRIMARY KEY (monitor_id, at)
) STRICT, WITHOUT ROWID;

-- id is the start of the check in epoch milliseconds.
CREATE TABLE results (
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
    PRIMARY KEY (monitor_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE pings (
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
    note TEXT,
    PRIMARY KEY (monitor_id, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    monitor_id INTEGER REFERENCES monitors (id) ON DELETE SET NULL,
    monitor_name TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    resolved_at INTEGER,
    cause TEXT NOT NULL,
    summary TEXT NOT NULL,
    regions TEXT NOT NULL,
    alerts_held INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX incidents_one_open ON incidents (monitor_id) WHERE resolved_at IS NULL;
CREATE INDEX incidents_monitor ON incidents (monitor_id, id);

CREATE TABLE incident_timeline (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    incident_id INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX incident_timeline_incident ON incident_timeline (incident_id, id);

-- The outbox. A row is written in the transaction that changed the state; `idempotency_key` lets a repeat change nothing.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    incident_id INTEGER REFERENCES incidents (id) ON DELETE SET NULL,
    monitor_id INTEGER,
    channel_id INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    alert TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_attempt_at INTEGER,
    first_attempt_at INTEGER,
    leased_until INTEGER,
    delivered_at INTEGER,
    latency_ms INTEGER,
    last_error TEXT,
    last_status INTEGER
) STRICT;
CREATE INDEX deliveries_due ON deliveries (next_attempt_at) WHERE state = 'pending';
-- Alerts about no monitor are in order among themselves; COALESCE lets the index find them.
CREATE INDEX deliveries_order ON deliveries (channel_id, COALESCE(monitor_id, 0), id) WHERE state = 'pending';
CREATE INDEX deliveries_incident ON deliveries (incident_id, channel_id);
CREATE INDEX deliveries_channel ON deliveries (channel_id, id);

CREATE TABLE maintenance_windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    monitor_ids TEXT NOT NULL,
    tags TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT;
CREATE INDEX maintenance_windows_ends ON maintenance_windows (ends_at);
