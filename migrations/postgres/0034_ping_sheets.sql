-- Where SQLite keeps pings, many in one value; here each is a row of `pings` at once, with its body, and these stay empty.
DROP VIEW all_pings;
DROP TABLE new_pings;

CREATE TABLE new_pings (
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    pings TEXT NOT NULL
);

CREATE TABLE ping_sheets (
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    first_n BIGINT NOT NULL,
    n BIGINT NOT NULL,
    pings TEXT NOT NULL
);

CREATE TABLE ping_bodies (
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    n BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (monitor_id, n)
);

CREATE INDEX ping_sheets_by_monitor ON ping_sheets (monitor_id, n);
