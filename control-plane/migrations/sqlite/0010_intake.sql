-- What others send of their own accord. A webhook's secret is made of its nonce and of a key that is not in the database.
CREATE TABLE webhooks (
    id                INTEGER PRIMARY KEY,
    tenant_id         BIGINT NOT NULL REFERENCES tenants (id),
    -- What its findings belong to.
    source_id         BIGINT NOT NULL REFERENCES sources (id),
    name              TEXT   NOT NULL,
    nonce             BLOB   NOT NULL,
    author            TEXT   NOT NULL,
    created_at        BIGINT NOT NULL,
    revoked_at        BIGINT,
    -- What came: deliveries that were repeated count once.
    deliveries        BIGINT NOT NULL DEFAULT 0,
    findings          BIGINT NOT NULL DEFAULT 0,
    found_new         BIGINT NOT NULL DEFAULT 0,
    last_delivered_at BIGINT
);
-- A revoked webhook's name may be given again.
CREATE UNIQUE INDEX webhooks_by_name ON webhooks (tenant_id, name) WHERE revoked_at IS NULL;

-- Deliveries that were taken, for as long as their signatures are in force: one that is repeated does nothing.
CREATE TABLE webhook_deliveries (
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    webhook_id BIGINT NOT NULL REFERENCES webhooks (id),
    signature  BLOB   NOT NULL,
    -- When the signature is too old to be taken anyway.
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (webhook_id, signature)
);
CREATE INDEX webhook_deliveries_by_expiry ON webhook_deliveries (expires_at);

-- Whether anybody may check tokens, 1 or 0.
ALTER TABLE tenants ADD COLUMN public_checks BIGINT NOT NULL DEFAULT 0;
-- For public checks, and only of tokens that came in while they were on: which range the token's SHA-256 is in, under a key, and the hash itself, sealed under another.
ALTER TABLE tokens ADD COLUMN public_range BLOB;
ALTER TABLE tokens ADD COLUMN public_hash BLOB;
CREATE INDEX tokens_by_public_range ON tokens (tenant_id, public_range) WHERE public_range IS NOT NULL;
