-- What gateways have seen of tokens: whether they still work, from where they are used, and for how long closed leaks are watched.

-- The newest success (2xx), the newest refusal (401, 403), the first refusal since that success, and the newest use of any kind.
ALTER TABLE tokens ADD COLUMN alive_at BIGINT;
ALTER TABLE tokens ADD COLUMN refused_at BIGINT;
ALTER TABLE tokens ADD COLUMN refused_since BIGINT;
ALTER TABLE tokens ADD COLUMN used_at BIGINT;

-- Counted with each change of a token's life.
ALTER TABLE leaks ADD COLUMN alive_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE leaks ADD COLUMN dead_tokens BIGINT NOT NULL DEFAULT 0;
-- As that of the token that gives most reason to worry: nobody knows of an unseen one that it does not work.
ALTER TABLE leaks ADD COLUMN life TEXT GENERATED ALWAYS AS (CASE WHEN alive_tokens > 0 THEN 'alive'
    WHEN dead_tokens > 0 AND dead_tokens >= token_count THEN 'dead' ELSE 'unseen' END) STORED;
ALTER TABLE leaks ADD COLUMN life_since BIGINT;
-- When a token's life last changed, by the server's clock: what policies look at first.
ALTER TABLE leaks ADD COLUMN life_at BIGINT;
-- A client that had not been seen with the leak's tokens before; NULL when a person has decided since.
ALTER TABLE leaks ADD COLUMN new_client TEXT;
ALTER TABLE leaks ADD COLUMN new_client_at BIGINT;
ALTER TABLE leaks ADD COLUMN has_new_client BIGINT
    GENERATED ALWAYS AS (CASE WHEN new_client_at IS NULL THEN 0 ELSE 1 END) STORED;
-- Of a closed leak: since when it is that, until when gateways observe its tokens, and when one was used nevertheless.
ALTER TABLE leaks ADD COLUMN closed_at BIGINT;
ALTER TABLE leaks ADD COLUMN observe_until BIGINT CHECK (observe_until IS NULL OR status = 'closed');
ALTER TABLE leaks ADD COLUMN used_closed_at BIGINT;
-- The first epoch of the index without its tokens.
ALTER TABLE leaks ADD COLUMN observe_end BIGINT;

-- Grows when the life of any token changes.
ALTER TABLE tenants ADD COLUMN life_changes BIGINT NOT NULL DEFAULT 0;
-- How long the tokens of closed leaks are observed; 0: not at all.
ALTER TABLE tenants ADD COLUMN closed_days BIGINT NOT NULL DEFAULT 30;
-- What happens when one is used.
ALTER TABLE tenants ADD COLUMN closed_use TEXT NOT NULL DEFAULT 'reopen' CHECK (closed_use IN ('reopen', 'alarm'));

CREATE INDEX leaks_by_life ON leaks (tenant_id, life, number);
CREATE INDEX leaks_by_new_client ON leaks (tenant_id, has_new_client, number);
CREATE INDEX leaks_life_changed ON leaks (tenant_id, life_at) WHERE life_at IS NOT NULL;
CREATE INDEX leaks_observed ON leaks (observe_until) WHERE observe_until IS NOT NULL;
CREATE INDEX leaks_observed_no_more ON leaks (tenant_id, observe_end) WHERE observe_end IS NOT NULL;

CREATE FUNCTION tokens_lived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE leaks l SET
        alive_tokens = l.alive_tokens + c.alive,
        dead_tokens = l.dead_tokens + c.dead,
        life_since = CASE WHEN l.life = (CASE
                WHEN l.alive_tokens + c.alive > 0 THEN 'alive'
                WHEN l.dead_tokens + c.dead > 0 AND l.dead_tokens + c.dead >= l.token_count THEN 'dead'
                ELSE 'unseen' END) THEN l.life_since ELSE c.since END
    FROM (
        SELECT a.tenant_id, a.leak, max(a.life_since) AS since,
               CAST(sum(CASE WHEN a.life = 'alive' THEN 1 ELSE 0 END - CASE WHEN b.life = 'alive' THEN 1 ELSE 0 END) AS BIGINT) AS alive,
               CAST(sum(CASE WHEN a.life = 'dead' THEN 1 ELSE 0 END - CASE WHEN b.life = 'dead' THEN 1 ELSE 0 END) AS BIGINT) AS dead
        FROM after_it a JOIN before_it b ON b.id = a.id WHERE a.life <> b.life GROUP BY a.tenant_id, a.leak
    ) c
    WHERE l.tenant_id = c.tenant_id AND l.number = c.leak;
    RETURN NULL;
END $$;
CREATE TRIGGER tokens_lived AFTER UPDATE ON tokens REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
FOR EACH STATEMENT EXECUTE FUNCTION tokens_lived();

-- What charts show of it.
CREATE TABLE life_counts (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    life      TEXT   NOT NULL,
    status    TEXT   NOT NULL,
    patched   BIGINT NOT NULL,
    leaks     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, life, status, patched)
);
INSERT INTO life_counts (tenant_id, life, status, patched, leaks)
    SELECT tenant_id, life, status, is_patched, count(*) FROM leaks GROUP BY 1, 2, 3, 4;
CREATE FUNCTION lives_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO life_counts (tenant_id, life, status, patched, leaks)
        SELECT tenant_id, life, status, is_patched, count(*) FROM added GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (tenant_id, life, status, patched) DO UPDATE SET leaks = life_counts.leaks + excluded.leaks;
    RETURN NULL;
END $$;
CREATE TRIGGER lives_counted AFTER INSERT ON leaks REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION lives_counted();
CREATE FUNCTION lives_recounted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO life_counts (tenant_id, life, status, patched, leaks)
        SELECT tenant_id, life, status, is_patched, CAST(sum(n) AS BIGINT) FROM (
            SELECT tenant_id, life, status, is_patched, 1 AS n FROM after_it
            UNION ALL SELECT tenant_id, life, status, is_patched, -1 FROM before_it
        ) c GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4
        ON CONFLICT (tenant_id, life, status, patched) DO UPDATE SET leaks = life_counts.leaks + excluded.leaks;
    RETURN NULL;
END $$;
CREATE TRIGGER lives_recounted AFTER UPDATE ON leaks REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
FOR EACH STATEMENT EXECUTE FUNCTION lives_recounted();

-- From where a leak's tokens are used: addresses, and networks (/64) of IPv6. Bounded for each leak by who writes them.
CREATE TABLE leak_clients (
    tenant_id     BIGINT NOT NULL,
    leak          BIGINT NOT NULL,
    client        TEXT   NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, leak, client),
    FOREIGN KEY (tenant_id, leak) REFERENCES leaks (tenant_id, number)
);
