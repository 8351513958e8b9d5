-- How many attempts of the tenant are kept, so that the oldest can go when they are too many.
ALTER TABLE tenants ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
UPDATE tenants SET attempts = (SELECT count(*) FROM attempts a WHERE a.tenant_id = tenants.id);
CREATE TRIGGER attempts_counted AFTER INSERT ON attempts
BEGIN UPDATE tenants SET attempts = attempts + 1 WHERE id = NEW.tenant_id; END;
CREATE TRIGGER attempts_removed AFTER DELETE ON attempts
BEGIN UPDATE tenants SET attempts = attempts - 1 WHERE id = OLD.tenant_id; END;
