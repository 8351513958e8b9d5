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
    WHEN dead_tokens > 0 AND dead_tokens >= token_count THEN 'dead' ELSE 'unseen' END) VIRTUAL;
ALTER TABLE leaks ADD COLUMN life_since BIGINT;
-- When a token's life last changed, by the server's clock: what policies look at first.
ALTER TABLE leaks ADD COLUMN life_at BIGINT;
-- A client that had not been seen with the leak's tokens before; NULL when a person has decided since.
ALTER TABLE leaks ADD COLUMN new_client TEXT;
ALTER TABLE leaks ADD COLUMN new_client_at BIGINT;
ALTER TABLE leaks ADD COLUMN has_new_client BIGINT
    GENERATED ALWAYS AS (CASE WHEN new_client_at IS NULL THEN 0 ELSE 1 END) VIRTUAL;
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

CREATE TRIGGER tokens_lived AFTER UPDATE OF life ON tokens WHEN NEW.life <> OLD.life
BEGIN
    UPDATE leaks SET
        alive_tokens = alive_tokens + (NEW.life = 'alive') - (OLD.life = 'alive'),
        dead_tokens = dead_tokens + (NEW.life = 'dead') - (OLD.life = 'dead'),
        life_since = CASE WHEN life = (CASE
                WHEN alive_tokens + (NEW.life = 'alive') - (OLD.life = 'alive') > 0 THEN 'alive'
                WHEN dead_tokens + (NEW.life = 'dead') - (OLD.life = 'dead') > 0
                     AND dead_tokens + (NEW.life = 'dead') - (OLD.life = 'dead') >= token_count THEN 'dead'
                ELSE 'unseen' END) THEN life_since ELSE NEW.life_since END
    WHERE tenant_id = NEW.tenant_id AND number = NEW.leak;
END;

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
CREATE TRIGGER lives_counted AFTER INSERT ON leaks
BEGIN
    INSERT INTO life_counts (tenant_id, life, status, patched, leaks)
        VALUES (NEW.tenant_id, NEW.life, NEW.status, NEW.is_patched, 1)
        ON CONFLICT (tenant_id, life, status, patched) DO UPDATE SET leaks = life_counts.leaks + 1;
END;
CREATE TRIGGER lives_recounted AFTER UPDATE OF alive_tokens, dead_tokens, token_count, status, patched_at ON leaks
    WHEN NEW.life <> OLD.life OR NEW.status <> OLD.status OR NEW.is_patched <> OLD.is_patched
BEGIN
    UPDATE life_counts SET leaks = leaks - 1 WHERE tenant_id = OLD.tenant_id AND life = OLD.life AND status = OLD.status
        AND patched = OLD.is_patched;
    INSERT INTO life_counts (tenant_id, life, status, patched, leaks)
        VALUES (NEW.tenant_id, NEW.life, NEW.status, NEW.is_patched, 1)
        ON CONFLICT (tenant_id, life, status, patched) DO UPDATE SET leaks = life_counts.leaks + 1;
END;

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
