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
CREATE TRIGGER leaks_stand AFTER INSERT ON leaks
BEGIN
    INSERT INTO status_days (tenant_id, day, status, change) VALUES (NEW.tenant_id, NEW.created_at / 86400000, NEW.status, 1)
        ON CONFLICT (tenant_id, day, status) DO UPDATE SET change = status_days.change + 1;
END;
CREATE TRIGGER leaks_stand_elsewhere AFTER UPDATE OF status ON leaks WHEN NEW.status <> OLD.status
BEGIN
    INSERT INTO status_days (tenant_id, day, status, change)
        VALUES (NEW.tenant_id, NEW.updated_at / 86400000, NEW.status, 1), (NEW.tenant_id, NEW.updated_at / 86400000, OLD.status, -1)
        ON CONFLICT (tenant_id, day, status) DO UPDATE SET change = status_days.change + excluded.change;
END;

-- Lists that somebody wants to find again: what the URL of the page asks for, under a name of their own.
CREATE TABLE saved_views (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    user_id   BIGINT NOT NULL REFERENCES users (id),
    page      TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    query     TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, user_id, page, name)
);
