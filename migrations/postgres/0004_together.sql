-- The summary that tells this alert together with others. Such an alert is not sent by itself, and shares the summary's fate.
ALTER TABLE deliveries ADD COLUMN summary_id BIGINT;
CREATE INDEX deliveries_summary ON deliveries (summary_id) WHERE summary_id IS NOT NULL;
-- How many alerts a channel had in the last half minute, and how often a monitor changed in the last half hour.
CREATE INDEX deliveries_recent ON deliveries (channel_id, created_at);

-- What a monitor depends on: its settings repeated, to be searched by.
CREATE TABLE monitor_parents (
    monitor_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    parent_id BIGINT NOT NULL REFERENCES monitors (id) ON DELETE CASCADE,
    PRIMARY KEY (monitor_id, parent_id)
);
CREATE INDEX monitor_parents_parent ON monitor_parents (parent_id);
