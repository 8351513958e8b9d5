-- How many attempts of the tenant are kept, so that the oldest can go when they are too many. Counted once for each statement.
ALTER TABLE tenants ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
UPDATE tenants SET attempts = (SELECT count(*) FROM attempts a WHERE a.tenant_id = tenants.id);

CREATE FUNCTION attempts_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET attempts = attempts + c.n
    FROM (SELECT tenant_id, count(*) AS n FROM changed GROUP BY tenant_id) c WHERE tenants.id = c.tenant_id;
    RETURN NULL;
END $$;
CREATE TRIGGER attempts_counted AFTER INSERT ON attempts REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION attempts_counted();

CREATE FUNCTION attempts_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET attempts = attempts - c.n
    FROM (SELECT tenant_id, count(*) AS n FROM changed GROUP BY tenant_id) c WHERE tenants.id = c.tenant_id;
    RETURN NULL;
END $$;
CREATE TRIGGER attempts_removed AFTER DELETE ON attempts REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION attempts_removed();
