-- What intake knows of orders, from order-state: enough to answer at once and to refuse what can't be any more.

CREATE TABLE order_view (
    order_id    uuid PRIMARY KEY,
    revision    bigint NOT NULL CONSTRAINT order_view_revision CHECK (revision >= 0),
    order_no    text COLLATE "C",
    definition  text COLLATE "C",
    state       text COLLATE "C" NOT NULL CONSTRAINT order_view_state CHECK (state <> ''),
    waiting_on  text COLLATE "C",
    reason      text COLLATE "C",
    updated_at  timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX order_view_order_no ON order_view (order_no) WHERE order_no IS NOT NULL;
COMMENT ON TABLE order_view IS 'The newest known state of each order';

CREATE TABLE request_refused (
    request_id text COLLATE "C" PRIMARY KEY,
    order_id   uuid NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    allowed    text COLLATE "C",
    at         timestamptz NOT NULL
);
COMMENT ON TABLE request_refused IS 'Requests that the saga refused, with what could be asked instead';
