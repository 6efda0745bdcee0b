-- A remote checker. There is one for each region; `lost_at` is set while it is silent, `lost_told` says which channels heard of that.
CREATE TABLE probes (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    region TEXT NOT NULL UNIQUE,
    token_hash BYTEA NOT NULL UNIQUE,
    enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_contact_at BIGINT,
    seen JSONB,
    lost_at BIGINT,
    lost_told JSONB
);
