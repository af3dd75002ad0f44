-- What a lane keeps in its service's schema. Columns and constraints are described in C too: lane/lane_tables.c.
-- Text that is a key or part of one is COLLATE "C": bytewise order, the same everywhere.

CREATE TABLE slot (
    p             integer PRIMARY KEY CONSTRAINT slot_p CHECK (p >= 0),
    epoch         bigint NOT NULL DEFAULT 0 CONSTRAINT slot_epoch CHECK (epoch >= 0),
    batch_no      bigint NOT NULL DEFAULT 0 CONSTRAINT slot_batch_no CHECK (batch_no >= 0),
    published_no  bigint NOT NULL DEFAULT 0 CONSTRAINT slot_published_no CHECK (published_no BETWEEN 0 AND batch_no),
    dirty         integer NOT NULL DEFAULT 0 CONSTRAINT slot_dirty CHECK (dirty >= 0),
    suspect       text COLLATE "C",
    suspect_tries integer NOT NULL DEFAULT 0 CONSTRAINT slot_suspect_tries CHECK (suspect_tries >= 0),
    owner         text COLLATE "C",
    claimed_at    timestamptz
) WITH (fillfactor = 20);
COMMENT ON TABLE slot IS 'A partition number of all topics that this service reads, and who owns it';

CREATE TABLE position (
    p           integer NOT NULL CONSTRAINT position_p CHECK (p >= 0),
    topic       smallint NOT NULL CONSTRAINT position_topic CHECK (topic > 0),
    next_offset bigint NOT NULL CONSTRAINT position_next_offset CHECK (next_offset >= 0),
    PRIMARY KEY (p, topic)
) WITH (fillfactor = 20);
COMMENT ON TABLE position IS 'Where each slot goes on reading each topic';

CREATE TABLE key_state (
    key         text COLLATE "C" PRIMARY KEY,
    slot        integer NOT NULL CONSTRAINT key_state_slot CHECK (slot >= 0),
    read        text COLLATE "C",
    written     text COLLATE "C",
    recent      text COLLATE "C",
    held        text COLLATE "C" CONSTRAINT key_state_held CHECK (held IN ('GAP', 'UNKNOWN', 'REJECTED', 'PAUSED')),
    held_detail text COLLATE "C",
    held_since  timestamptz,
    held_next   bigint NOT NULL CONSTRAINT key_state_held_next CHECK (held_next >= 0),
    service_due timestamptz,
    due         timestamptz
) WITH (fillfactor = 50);
-- With the key: many deadlines may fall on one instant, and a batch takes the first of them without sorting the rest.
CREATE INDEX key_state_due ON key_state (slot, due, key) WHERE due IS NOT NULL;
CREATE INDEX key_state_is_held ON key_state (held, held_since) WHERE held IS NOT NULL;
COMMENT ON TABLE key_state IS 'What is known of each key: sequences read and written, hold, deadline';

CREATE TABLE seen (
    id  uuid PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    at  timestamptz NOT NULL
);
-- Rows come in the order of time: a few pages of summaries find the old ones.
CREATE INDEX seen_at ON seen USING brin (at) WITH (pages_per_range = 64, autosummarize = on);
COMMENT ON TABLE seen IS 'Ids of BY_ID events applied, kept at least 30 days';

CREATE TABLE held (
    key           text COLLATE "C" NOT NULL,
    ordinal       bigint NOT NULL CONSTRAINT held_ordinal CHECK (ordinal >= 0),
    topic         integer NOT NULL CONSTRAINT held_topic CHECK (topic > 0),
    partition     integer NOT NULL CONSTRAINT held_partition CHECK (partition >= 0),
    record_offset bigint NOT NULL,
    event_id      text COLLATE "C",
    value         bytea,
    reason        text COLLATE "C",
    at            timestamptz NOT NULL,
    PRIMARY KEY (key, ordinal)
);
COMMENT ON TABLE held IS 'Input of held keys, in order';

CREATE TABLE effect (
    id           uuid PRIMARY KEY,
    slot         integer NOT NULL CONSTRAINT effect_slot CHECK (slot >= 0),
    key          text COLLATE "C" NOT NULL,
    target       text COLLATE "C" NOT NULL,
    attempt      integer NOT NULL CONSTRAINT effect_attempt CHECK (attempt >= 0),
    due          timestamptz NOT NULL,
    created_at   timestamptz NOT NULL,
    request      bytea NOT NULL,
    causation_id text COLLATE "C"
);
CREATE INDEX effect_due ON effect (slot, due);
COMMENT ON TABLE effect IS 'Calls to the outside that are not finished';

CREATE TABLE outbox (
    slot       integer NOT NULL CONSTRAINT outbox_slot CHECK (slot >= 0),
    batch_no   bigint NOT NULL CONSTRAINT outbox_batch_no CHECK (batch_no > 0),
    created_at timestamptz NOT NULL,
    records    bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (slot, batch_no, created_at)
) PARTITION BY RANGE (created_at);
COMMENT ON TABLE outbox IS 'Records to publish: one row per slot and batch, never changed, dropped by the day';
-- Takes the rows of a day whose partition could not be made: a batch must not be refused for that.
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;
