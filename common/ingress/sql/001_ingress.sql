-- What a service with ways in keeps of them: raw submissions, who they are known by, and the records made from them.
-- Text that is a key or part of one is COLLATE "C": bytewise order, the same everywhere.

CREATE TABLE ingress_slot (
    i            integer PRIMARY KEY CONSTRAINT ingress_slot_i CHECK (i >= 0),
    epoch        bigint NOT NULL DEFAULT 0 CONSTRAINT ingress_slot_epoch CHECK (epoch >= 0),
    batch_no     bigint NOT NULL DEFAULT 0 CONSTRAINT ingress_slot_batch_no CHECK (batch_no >= 0),
    published_no bigint NOT NULL DEFAULT 0 CONSTRAINT ingress_slot_published_no CHECK (published_no BETWEEN 0 AND batch_no),
    seen_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);
COMMENT ON TABLE ingress_slot IS 'Who may write: an instance holds a slot by a session advisory lock and its epoch';

CREATE TABLE submission (
    id           uuid PRIMARY KEY,
    scope        text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    client_key   text COLLATE "C",
    fingerprint  bytea NOT NULL CONSTRAINT submission_fingerprint CHECK (octet_length(fingerprint) = 32),
    kind         text COLLATE "C" NOT NULL,
    content_type text COLLATE "C" NOT NULL,
    raw          bytea COMPRESSION lz4 NOT NULL,
    subject      uuid,
    customer_key text COLLATE "C",
    received_at  timestamptz NOT NULL,
    CONSTRAINT submission_known_by UNIQUE (scope, key)
);
CREATE UNIQUE INDEX submission_client_key ON submission (client_key) WHERE client_key IS NOT NULL;
COMMENT ON TABLE submission IS 'Everything that was accepted, as received; never changed';

CREATE TABLE look_alike (
    look     bytea PRIMARY KEY CONSTRAINT look_alike_look CHECK (octet_length(look) = 32),
    subject  uuid NOT NULL,
    previous uuid,
    at       timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX look_alike_at ON look_alike USING brin (at) WITH (pages_per_range = 64, autosummarize = on);
COMMENT ON TABLE look_alike IS 'Who asked for what last (a hash of both): the same again within 24 hours is suspected';

CREATE TABLE reference_version (
    topic   integer NOT NULL CONSTRAINT reference_version_topic CHECK (topic > 0),
    key     text COLLATE "C" NOT NULL,
    version bigint NOT NULL CONSTRAINT reference_version_version CHECK (version > 0),
    PRIMARY KEY (topic, key)
) WITH (fillfactor = 80);
COMMENT ON TABLE reference_version IS 'The newest version given to each key of a VERSIONED topic';

CREATE TABLE ingress_outbox (
    slot       integer NOT NULL CONSTRAINT ingress_outbox_slot CHECK (slot >= 0),
    batch_no   bigint NOT NULL CONSTRAINT ingress_outbox_batch_no CHECK (batch_no > 0),
    created_at timestamptz NOT NULL,
    records    bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (slot, batch_no, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE ingress_outbox IS 'Records to publish: one row per slot and batch, never changed, dropped by the day';
-- Takes the rows of a day whose partition could not be made: a submission must not be refused for that.
CREATE TABLE ingress_outbox_default PARTITION OF ingress_outbox DEFAULT;

-- The function runs with the owner's rights: what it names must not be found in a caller's temporary schema.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Makes the outbox's partitions from today to the day after tomorrow (UTC), drops those older than 7 days (the topics'
-- retention) of which every row is known to be on its topic, and deletes look-alikes that no longer count, at most `at_most`.
CREATE FUNCTION ingress_maintain(at_most integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    retention constant integer := 7;
    today constant date := current_date;
    service constant text := 'orderclerk_' || current_schema();
    day date;
    name text;
    taken boolean;
BEGIN
    -- One at a time per schema; whoever finds it busy has nothing left to do.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('ingress_maintain.' || current_schema(), 0)) THEN
        RETURN;
    END IF;
    FOR day IN SELECT today + n FROM generate_series(0, 2) AS n LOOP
        name := 'ingress_outbox_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(quote_ident(current_schema()) || '.' || quote_ident(name)) IS NOT NULL;
        SELECT EXISTS (SELECT FROM ingress_outbox_default WHERE created_at >= day AND created_at < day + 1) INTO taken;
        CONTINUE WHEN taken;
        -- Made apart and attached: that lets the writers go on inserting meanwhile.
        EXECUTE format('CREATE TABLE %I (LIKE ingress_outbox INCLUDING ALL)', name);
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
            EXECUTE format('REVOKE ALL ON %I FROM %I', name, service);
        END IF;
        EXECUTE format('ALTER TABLE ingress_outbox ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                       day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
    END LOOP;
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'ingress_outbox'::regclass AND c.relname ~ '^ingress_outbox_[0-9]{8}$'
           AND to_date(right(c.relname, 8), 'YYYYMMDD') < today - retention
         ORDER BY c.relname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I o LEFT JOIN ingress_slot s ON s.i = o.slot
                                        WHERE o.batch_no > coalesce(s.published_no, -1))', name) INTO taken;
        CONTINUE WHEN taken;
        EXECUTE format('DROP TABLE %I', name);
    END LOOP;
    DELETE FROM ingress_outbox_default o USING ingress_slot s
     WHERE s.i = o.slot AND o.batch_no <= s.published_no AND o.created_at < today - retention;
    DELETE FROM look_alike
     WHERE ctid = ANY (ARRAY(SELECT ctid FROM look_alike WHERE at < now() - interval '25 hours' LIMIT at_most));
END
$$;
COMMENT ON FUNCTION ingress_maintain IS 'Makes coming partitions of the outbox, drops published ones after 7 days, forgets old look-alikes';
REVOKE ALL ON FUNCTION ingress_maintain(integer) FROM PUBLIC;

-- The service's role has by default what its tables need (deploy/postgres/roles.sql); here it gets less: what was accepted
-- is never changed or deleted.
DO $$
DECLARE
    service constant text := 'orderclerk_' || current_schema();
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
        EXECUTE format('GRANT EXECUTE ON FUNCTION ingress_maintain(integer) TO %I', service);
        EXECUTE format('REVOKE ALL ON ingress_slot, submission, look_alike, reference_version, ingress_outbox,
                        ingress_outbox_default FROM %I', service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON ingress_slot, look_alike, reference_version TO %I', service);
        EXECUTE format('GRANT SELECT, INSERT ON submission, ingress_outbox TO %I', service);
    END IF;
END
$$;

SELECT ingress_maintain(0);
