-- The timeline in parts: one row for what a batch brings of an order and topic, in place of a row with nineteen columns for
-- each record. What the columns said is in the records; packed together they are compressed together, where they stand.
CREATE TABLE timeline_part (
    order_id uuid NOT NULL,
    topic int NOT NULL,
    sequence bigint NOT NULL,
    last bigint NOT NULL,
    records int NOT NULL CONSTRAINT timeline_part_records CHECK (records > 0),
    part bytea COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (order_id, topic, sequence)
) WITH (toast_tuple_target = 256);
ALTER TABLE timeline_part ALTER COLUMN part SET STORAGE MAIN;
COMMENT ON TABLE timeline_part IS 'What came of each order on order-events, commands.departments and notification-events, oldest first';
COMMENT ON COLUMN timeline_part.sequence IS 'Of the first record';
COMMENT ON COLUMN timeline_part.last IS 'Of the last record';
COMMENT ON COLUMN timeline_part.part IS 'A TimelinePart';

-- The rows that are there become parts of one record each: protobuf is tag and number, or tag, length and bytes.
CREATE FUNCTION pg_temp.varint(number bigint) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    rest bigint := number;
    said bytea := '';
BEGIN
    WHILE rest >= 128 LOOP
        said := said || set_byte('\x00', 0, (rest & 127 | 128)::int);
        rest := rest >> 7;
    END LOOP;
    RETURN said || set_byte('\x00', 0, rest::int);
END
$$;
INSERT INTO timeline_part
SELECT order_id, topic, sequence, sequence, 1, '\x0a' || pg_temp.varint(length(record)) || record
  FROM timeline, LATERAL (SELECT '\x08' || pg_temp.varint(record_partition) || '\x10' || pg_temp.varint(record_offset)
                                 || '\x1a' || pg_temp.varint(length(value)) || value) AS r(record);
DROP FUNCTION pg_temp.varint;
DROP TABLE timeline;
