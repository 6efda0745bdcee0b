-- Steps are a JSON list of minutes and channel numbers.
CREATE TABLE escalation_policies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    steps TEXT NOT NULL,
    repeat_every_minutes INTEGER,
    repeat_times INTEGER,
    ack_timeout_minutes INTEGER,
    created_at INTEGER NOT NULL
) STRICT;

-- Repeats what is in `settings`, so that a policy in use cannot go away.
ALTER TABLE monitors ADD COLUMN escalation_policy_id INTEGER REFERENCES escalation_policies (id);
CREATE INDEX monitors_escalation_policy ON monitors (escalation_policy_id) WHERE escalation_policy_id IS NOT NULL;

-- How far an incident has climbed, with the policy as it stood when it opened. `next_at` is when to look at it again.
CREATE TABLE incident_ladders (
    incident_id INTEGER NOT NULL PRIMARY KEY REFERENCES incidents (id) ON DELETE CASCADE,
    ladder TEXT NOT NULL,
    next_at INTEGER
) STRICT;
CREATE INDEX incident_ladders_next ON incident_ladders (next_at) WHERE next_at IS NOT NULL;
