-- The open leak of a place is found by the place: with fewer columns, SQLite walks through all open leaks for each finding.
DROP INDEX leaks_of_place;
CREATE INDEX leaks_of_place ON leaks (tenant_id, source_id, path, status, number);
