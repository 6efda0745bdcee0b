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
