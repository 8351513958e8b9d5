-- Keys that were or are in force, so that another installation's are recognised. Their numbers grow; the first one is 1.
CREATE TABLE known_keys (
    kind       TEXT   NOT NULL CHECK (kind IN ('fingerprint', 'signing')),
    number     BIGINT NOT NULL,
    -- Tells the key from others without telling it.
    key_check  BLOB   NOT NULL,
    added_at   BIGINT NOT NULL,
    -- Since when nothing is recognised by it any more.
    retired_at BIGINT,
    PRIMARY KEY (kind, number),
    UNIQUE (kind, key_check)
);
INSERT INTO known_keys (kind, number, key_check, added_at) SELECT name, 1, value, 0 FROM key_checks;
DROP TABLE key_checks;

-- Under which fingerprint key the token is, and the fingerprint that it had under the one before: attempts may still come with it.
ALTER TABLE tokens ADD COLUMN key_number BIGINT NOT NULL DEFAULT 1;
ALTER TABLE tokens ADD COLUMN old_fingerprint BLOB;
-- The first epoch of the index that has it under its new key.
ALTER TABLE tokens ADD COLUMN rekeyed_epoch BIGINT;
CREATE UNIQUE INDEX tokens_by_old_fingerprint ON tokens (tenant_id, old_fingerprint) WHERE old_fingerprint IS NOT NULL;
CREATE INDEX tokens_rekeyed ON tokens (tenant_id, rekeyed_epoch) WHERE rekeyed_epoch IS NOT NULL;

-- Of which fingerprint key its secret is derived.
ALTER TABLE webhooks ADD COLUMN key_number BIGINT NOT NULL DEFAULT 1;
