-- How many leaks came to stand somewhere on each day since the Unix epoch, less those that left it: charts go back from how many there
-- are now. Actions alone do not say where a leak stood before. What is older than this table is taken to have gone where it stands now.
CREATE TABLE status_days (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    day       BIGINT NOT NULL,
    status    TEXT   NOT NULL,
    change    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, day, status)
);
INSERT INTO status_days (tenant_id, day, status, change)
    SELECT tenant_id, day, status, CAST(sum(n) AS BIGINT) FROM (
        SELECT tenant_id, created_at / 86400000 AS day, 'open' AS status, 1 AS n FROM leaks
        UNION ALL SELECT tenant_id, updated_at / 86400000, 'open', -1 FROM leaks WHERE status <> 'open'
        UNION ALL SELECT tenant_id, updated_at / 86400000, status, 1 FROM leaks WHERE status <> 'open'
    ) c GROUP BY 1, 2, 3;
CREATE FUNCTION leaks_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO status_days (tenant_id, day, status, change)
        SELECT tenant_id, created_at / 86400000, status, count(*) FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, day, status) DO UPDATE SET change = status_days.change + excluded.change;
    RETURN NULL;
END $$;
CREATE TRIGGER leaks_stand AFTER INSERT ON leaks REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION leaks_stand();
CREATE FUNCTION leaks_stand_elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO status_days (tenant_id, day, status, change)
        SELECT tenant_id, day, status, CAST(sum(n) AS BIGINT) FROM (
            SELECT a.tenant_id, a.updated_at / 86400000 AS day, a.status, 1 AS n FROM after_it a
                JOIN before_it b ON b.tenant_id = a.tenant_id AND b.number = a.number WHERE a.status <> b.status
            UNION ALL SELECT a.tenant_id, a.updated_at / 86400000, b.status, -1 FROM after_it a
                JOIN before_it b ON b.tenant_id = a.tenant_id AND b.number = a.number WHERE a.status <> b.status
        ) c GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, day, status) DO UPDATE SET change = status_days.change + excluded.change;
    RETURN NULL;
END $$;
CREATE TRIGGER leaks_stand_elsewhere AFTER UPDATE ON leaks REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
FOR EACH STATEMENT EXECUTE FUNCTION leaks_stand_elsewhere();

-- Lists that somebody wants to find again: what the URL of the page asks for, under a name of their own.
CREATE TABLE saved_views (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    user_id   BIGINT NOT NULL REFERENCES users (id),
    page      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    query     TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, user_id, page, name)
);
