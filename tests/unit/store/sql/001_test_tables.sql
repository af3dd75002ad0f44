-- Tables of the store's tests, as a service would have them; described in test_tables.c.
CREATE TABLE kinds (
    id     uuid PRIMARY KEY,
    number bigint NOT NULL CONSTRAINT kinds_number CHECK (number >= 0),
    small  integer NOT NULL,
    flag   boolean NOT NULL,
    name   text COLLATE "C",
    data   bytea,
    at     timestamptz,
    team   text COLLATE "C" NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX kinds_one_active ON kinds (team, small) WHERE flag;
CREATE INDEX kinds_team ON kinds (team);

CREATE TABLE pair (
    code    text COLLATE "C" NOT NULL,
    ordinal bigint NOT NULL,
    badge   integer NOT NULL,
    word    text COLLATE "C",
    other   uuid,
    PRIMARY KEY (code, ordinal),
    CONSTRAINT pair_word UNIQUE (word),
    CONSTRAINT pair_badge CHECK (badge BETWEEN 0 AND 100)
);

CREATE TABLE journal (
    id      uuid NOT NULL,
    ordinal integer NOT NULL,
    amount  bigint NOT NULL CONSTRAINT journal_amount CHECK (amount <> 0),
    note    text COLLATE "C",
    PRIMARY KEY (id, ordinal)
);
DO $$
BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE ON journal FROM %I', 'orderclerk_' || current_schema());
END
$$;
