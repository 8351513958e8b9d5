-- Which classes of bytes the canonical token has: gateways hash only texts of a length and of classes that some token has. NULL where only
-- the length is known.
ALTER TABLE tokens ADD COLUMN classes BIGINT;
-- How many leading bits the fingerprints of one shard of the index share.
ALTER TABLE tenants ADD COLUMN shard_bits BIGINT NOT NULL DEFAULT 0;
-- What the publisher asks for: the leaks that were decided on since an epoch.
CREATE INDEX decisions_by_epoch ON decisions (tenant_id, epoch);
