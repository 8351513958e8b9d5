-- What keeps lists and pages quick when there are millions of tokens and attempts.

-- Which leaks have a token that a rule found: looking through the tokens of each leak of a page takes too long.
CREATE TABLE leak_rules (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    rule      TEXT   NOT NULL,
    leak      BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, rule, leak)
);
INSERT INTO leak_rules (tenant_id, rule, leak) SELECT DISTINCT tenant_id, rule, leak FROM tokens WHERE rule IS NOT NULL;
CREATE TRIGGER tokens_ruled AFTER INSERT ON tokens WHEN NEW.rule IS NOT NULL
BEGIN
    INSERT INTO leak_rules (tenant_id, rule, leak) VALUES (NEW.tenant_id, NEW.rule, NEW.leak) ON CONFLICT DO NOTHING;
END;

-- How often the tokens of a leak were used. Of the attempts themselves only the newest are kept, and one leak may have a million of them.
CREATE TABLE attempt_counts (
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    leak         BIGINT NOT NULL,
    outcome      TEXT   NOT NULL,
    count        BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, leak, outcome)
);
INSERT INTO attempt_counts (tenant_id, leak, outcome, count, last_seen_at)
    SELECT tenant_id, leak, outcome, CAST(sum(count) AS BIGINT), max(last_seen_at) FROM attempts GROUP BY 1, 2, 3;
CREATE TRIGGER attempts_by_leak AFTER INSERT ON attempts
BEGIN
    INSERT INTO attempt_counts (tenant_id, leak, outcome, count, last_seen_at)
        VALUES (NEW.tenant_id, NEW.leak, NEW.outcome, NEW.count, NEW.last_seen_at)
        ON CONFLICT (tenant_id, leak, outcome) DO UPDATE SET count = attempt_counts.count + excluded.count,
            last_seen_at = CASE WHEN excluded.last_seen_at > attempt_counts.last_seen_at
                                THEN excluded.last_seen_at ELSE attempt_counts.last_seen_at END;
END;

-- The newest attempts of a tenant, beside larger ones, and those with a rare outcome.
CREATE INDEX attempts_of_tenant ON attempts (tenant_id, id);
CREATE INDEX attempts_by_outcome ON attempts (tenant_id, outcome, id);
-- A decision asks for them, and a leak may have ten thousand others.
CREATE INDEX tokens_weak ON tokens (tenant_id, leak, id) WHERE weakness IS NOT NULL;
