-- The answers of checks that were not well, as they came: status line and headers, start of the body. Beside the results, as most
-- have none and pay nothing for it; each goes with its result. With a rowid, as its rows are long.
CREATE TABLE result_answers (
    monitor_id INTEGER NOT NULL,
    result_id INTEGER NOT NULL,
    region INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (monitor_id, result_id, region),
    FOREIGN KEY (monitor_id, result_id, region) REFERENCES results (monitor_id, id, region) ON DELETE CASCADE
) STRICT;
