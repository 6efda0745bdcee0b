-- What ended more than 401 days ago is looked for each hour: by these, not by reading all that is kept.
CREATE INDEX incidents_ended ON incidents (resolved_at) WHERE resolved_at IS NOT NULL;
-- The second begins with a column that is always NULL, as SQLite would take the index of all incidents' deliveries otherwise.
CREATE INDEX deliveries_of_no_incident ON deliveries (incident_id, created_at) WHERE incident_id IS NULL;

-- From before when results may be gone: up to now it followed from the setting, which may be raised.
INSERT INTO settings (key, value)
    SELECT 'results_removed_until', CAST(MIN(kept.oldest) AS TEXT)
    FROM (SELECT (SELECT MIN(r.id) FROM results r WHERE r.monitor_id = m.id) AS oldest FROM monitors m) kept
    HAVING MIN(kept.oldest) IS NOT NULL;
