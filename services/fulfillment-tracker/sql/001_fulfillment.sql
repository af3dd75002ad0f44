-- Shipments with their requests to warehouses, and the warehouses that are known.
-- Rows of shipment are small and change with each piece of news: room in the page keeps the updates on it. What is sent to
-- the warehouse stands beside them and never changes.

CREATE TABLE shipment (
    order_id uuid NOT NULL,
    shipment_id uuid NOT NULL,
    warehouse text COLLATE "C",
    state text COLLATE "C" NOT NULL CONSTRAINT shipment_state_check CHECK (state IN (
        'DRAFT', 'RELEASE_REQUESTED', 'REJECTED', 'ACCEPTED', 'PICKING', 'PACKED', 'HANDED_OVER', 'IN_TRANSIT', 'EXCEPTION',
        'DELIVERED', 'LOST', 'RETURNED_TO_SENDER')),
    cancel_request text COLLATE "C" NOT NULL CONSTRAINT shipment_cancel_request_check CHECK (cancel_request IN (
        'NONE', 'REQUESTED', 'ACCEPTED', 'REJECTED')),
    revision bigint NOT NULL,
    carrier text,
    tracking_no text COLLATE "C",
    lines bytea,
    early bytea,
    release_effect uuid,
    cancel_effect uuid,
    released_at timestamptz,
    tries integer NOT NULL CONSTRAINT shipment_tries_check CHECK (tries >= 0),
    unreachable boolean NOT NULL,
    due timestamptz,
    last_reply_at timestamptz,
    last_happened_at timestamptz,
    PRIMARY KEY (order_id, shipment_id),
    CONSTRAINT shipment_draft_check CHECK (state <> 'DRAFT' OR cancel_request = 'ACCEPTED'),
    CONSTRAINT shipment_warehouse_check CHECK (warehouse IS NOT NULL OR cancel_request = 'ACCEPTED')
) WITH (fillfactor = 60);
COMMENT ON TABLE shipment IS 'Where each shipment is, and what its warehouse was asked';
COMMENT ON COLUMN shipment.lines IS 'What was last said to be packed or handed over: a ShipmentPacked';
COMMENT ON COLUMN shipment.early IS 'A WarehouseReply that waits for the hand-over it presupposes';

CREATE TABLE shipment_release (
    order_id uuid NOT NULL,
    shipment_id uuid NOT NULL,
    release bytea NOT NULL,
    PRIMARY KEY (order_id, shipment_id)
);
COMMENT ON TABLE shipment_release IS 'What the warehouse is asked to ship: a ReleaseShipment';

CREATE TABLE warehouse_ref (
    warehouse text COLLATE "C" PRIMARY KEY,
    adapter text COLLATE "C" NOT NULL,
    url text NOT NULL,
    secret text,
    version bigint NOT NULL
);
COMMENT ON TABLE warehouse_ref IS 'Master data: how each warehouse is reached, and what signs its callbacks';
