-- Tenants can be made, titled and switched off. A name stays: it is in every index that a gateway has pinned.
ALTER TABLE tenants ADD COLUMN title TEXT NOT NULL DEFAULT '';
-- Whether the tenant's API Leaks module is on, 1 or 0.
ALTER TABLE tenants ADD COLUMN api_leaks BIGINT NOT NULL DEFAULT 1;
ALTER TABLE tenants ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
UPDATE tenants SET title = name, created_at = epoch_at;

-- Roles over all tenants. Whoever has one belongs to the tenant `default`.
ALTER TABLE api_tokens RENAME TO api_tokens_of_one_tenant;
CREATE TABLE api_tokens (
    id           INTEGER PRIMARY KEY,
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    name         TEXT   NOT NULL,
    role         TEXT   NOT NULL CHECK (role IN ('administrator', 'analyst', 'global_administrator', 'global_analyst')),
    hash         BLOB   NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    expires_at   BIGINT,
    revoked_at   BIGINT
);
-- The token that the first start made belongs to whoever runs the machine: until now there was one tenant, and it was over all of it.
INSERT INTO api_tokens (id, tenant_id, name, role, hash, created_at, last_used_at, expires_at, revoked_at)
SELECT id, tenant_id, name, CASE WHEN name = 'admin-token' THEN 'global_administrator' ELSE role END,
       hash, created_at, last_used_at, expires_at, revoked_at
FROM api_tokens_of_one_tenant;
DROP TABLE api_tokens_of_one_tenant;
CREATE INDEX api_tokens_of_tenant ON api_tokens (tenant_id, id);

CREATE TABLE users (
    id                INTEGER PRIMARY KEY,
    tenant_id         BIGINT NOT NULL REFERENCES tenants (id),
    name              TEXT   NOT NULL,
    role              TEXT   NOT NULL CHECK (role IN ('administrator', 'analyst', 'global_administrator', 'global_analyst')),
    -- Argon2id in PHC form; NULL for somebody who only comes by single sign-on.
    password          TEXT,
    -- Who this is at the provider of single sign-on; empty for a local account.
    issuer            TEXT   NOT NULL DEFAULT '',
    subject           TEXT   NOT NULL DEFAULT '',
    created_at        BIGINT NOT NULL,
    last_signed_in_at BIGINT,
    -- Wrong passwords since the last right one, and the newest of them.
    failures          BIGINT NOT NULL DEFAULT 0,
    failed_at         BIGINT,
    -- A user who was removed is kept: the audit log names them.
    removed_at        BIGINT
);
CREATE UNIQUE INDEX users_by_name ON users (tenant_id, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX users_by_subject ON users (issuer, subject) WHERE removed_at IS NULL AND issuer <> '';

CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY,
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    user_id      BIGINT NOT NULL REFERENCES users (id),
    -- Of the secret in the cookie.
    hash         BLOB   NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    -- Where it was opened from.
    address      TEXT   NOT NULL,
    agent        TEXT   NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
