-- The first tag of a monitor, by which lists group it; empty without tags.
ALTER TABLE monitors ADD COLUMN group_tag TEXT NOT NULL DEFAULT '';
UPDATE monitors SET group_tag = COALESCE(json_extract(settings, '$.tags[0]'), '');
