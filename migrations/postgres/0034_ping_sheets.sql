-- SQLite gathers pings on sheets; here each is a row of `pings` at once.
DROP VIEW all_pings;
DROP TABLE new_pings;
