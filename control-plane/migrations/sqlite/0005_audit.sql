-- Who did what to which object, when, from where, with the before and after. Each entry's hash covers the one before.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    -- 1, 2, 3 … of the tenant: a gap is a removed entry.
    number     BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    actor_kind TEXT   NOT NULL,
    actor_id   BIGINT,
    actor      TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    -- Empty when the change did not come over the network.
    address    TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    object     TEXT   NOT NULL,
    -- JSON, or NULL when there was or is nothing.
    state_before TEXT,
    state_after  TEXT,
    hash       BLOB   NOT NULL,
    UNIQUE (tenant_id, number)
);
CREATE INDEX audit_of_object ON audit (tenant_id, object, number);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_lasts BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- The newest entry of the tenant: whoever appends takes the next number here, and waits for whoever did before.
ALTER TABLE tenants ADD COLUMN audit_number BIGINT NOT NULL DEFAULT 0;
