-- Upkeep that the service's role may ask for but has no right to do itself: the outbox's partitions, the oldest ids seen.

-- The functions run with the owner's rights: what they name must not be found in a caller's temporary schema.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Makes the outbox's partitions from today to the day after tomorrow (UTC). Drops those older than 7 days (the topics'
-- retention) of which every row is known to be on its topic.
CREATE FUNCTION outbox_maintain() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC'
SET enable_seqscan = on SET enable_hashjoin = on AS $$
DECLARE
    retention constant integer := 7;
    today constant date := current_date;
    service constant text := 'orderclerk_' || current_schema();
    revoke_from text := '';
    day date;
    name text;
    taken boolean;
BEGIN
    -- One at a time per schema; whoever finds it busy has nothing left to do.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('outbox_maintain.' || current_schema(), 0)) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
        revoke_from := service;
    END IF;
    FOR day IN SELECT today + n FROM generate_series(0, 2) AS n LOOP
        name := 'outbox_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(quote_ident(current_schema()) || '.' || quote_ident(name)) IS NOT NULL;
        SELECT EXISTS (SELECT FROM outbox_default WHERE created_at >= day AND created_at < day + 1) INTO taken;
        CONTINUE WHEN taken;
        -- Made apart and attached: that lets the lanes go on inserting meanwhile.
        EXECUTE format('CREATE TABLE %I (LIKE outbox INCLUDING ALL)', name);
        IF revoke_from <> '' THEN
            EXECUTE format('REVOKE ALL ON %I FROM %I', name, revoke_from);
        END IF;
        EXECUTE format('ALTER TABLE outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                       day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
    END LOOP;
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'outbox'::regclass AND c.relname ~ '^outbox_[0-9]{8}$'
           AND to_date(right(c.relname, 8), 'YYYYMMDD') < today - retention
         ORDER BY c.relname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I o LEFT JOIN slot s ON s.p = o.slot
                                        WHERE o.batch_no > coalesce(s.published_no, -1))', name) INTO taken;
        CONTINUE WHEN taken;
        EXECUTE format('DROP TABLE %I', name);
    END LOOP;
    DELETE FROM outbox_default o USING slot s
     WHERE s.p = o.slot AND o.batch_no <= s.published_no AND o.created_at < today - retention;
END
$$;
COMMENT ON FUNCTION outbox_maintain IS 'Makes coming partitions of the outbox, drops published ones after 7 days';

-- Deletes up to `at_most` ids seen more than 31 days ago; returns how many.
CREATE FUNCTION seen_maintain(at_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT SET enable_bitmapscan = on SET enable_seqscan = on
SET enable_tidscan = on AS $$
    WITH gone AS (
        DELETE FROM seen WHERE ctid = ANY (ARRAY(SELECT ctid FROM seen WHERE at < now() - interval '31 days' LIMIT at_most))
        RETURNING 1)
    SELECT count(*) FROM gone;
$$;
COMMENT ON FUNCTION seen_maintain IS 'Deletes ids seen more than 31 days ago, a bounded number at a time';

REVOKE ALL ON FUNCTION outbox_maintain(), seen_maintain(integer) FROM PUBLIC;

-- The service's role has by default what its tables need (deploy/postgres/roles.sql); here it gets less. A lane writes its
-- outbox and the ids seen once, and never changes or deletes them.
DO $$
DECLARE
    service constant text := 'orderclerk_' || current_schema();
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION outbox_maintain(), seen_maintain(integer) TO %I', service);
        EXECUTE format('REVOKE ALL ON slot, position, key_state, seen, held, effect, outbox, outbox_default FROM %I', service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON slot, position TO %I', service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON key_state, held, effect TO %I', service);
        EXECUTE format('GRANT SELECT, INSERT ON seen, outbox TO %I', service);
    END IF;
END
$$;

SELECT outbox_maintain();
