-- Stock per product and warehouse, orders' shares in it, the ledger, and the master data that inventory needs.
-- Rows of stock are small and change often: room in the page keeps the updates on it.

CREATE TABLE stock (
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    on_hand bigint NOT NULL CONSTRAINT stock_on_hand_check CHECK (on_hand >= 0),
    reserved bigint NOT NULL CONSTRAINT stock_reserved_check CHECK (reserved >= 0),
    backordered bigint NOT NULL CONSTRAINT stock_backordered_check CHECK (backordered >= 0),
    safety bigint NOT NULL CONSTRAINT stock_safety_check CHECK (safety >= 0),
    damaged bigint NOT NULL CONSTRAINT stock_damaged_check CHECK (damaged >= 0),
    qc_hold bigint NOT NULL CONSTRAINT stock_qc_hold_check CHECK (qc_hold >= 0),
    missing bigint NOT NULL CONSTRAINT stock_missing_check CHECK (missing >= 0),
    incoming bigint NOT NULL CONSTRAINT stock_incoming_check CHECK (incoming >= 0),
    incoming_date text COLLATE "C",
    counted_as_of timestamptz,
    moved_at timestamptz,
    movements bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (sku, warehouse),
    CONSTRAINT stock_covered_check CHECK (reserved <= on_hand - damaged - qc_hold),
    CONSTRAINT stock_version_check CHECK (movements >= 0 AND version >= 1)
) WITH (fillfactor = 50);

CREATE TABLE allocation (
    order_id uuid NOT NULL,
    line_no integer NOT NULL,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    reserved bigint NOT NULL,
    backordered bigint NOT NULL,
    consumed bigint NOT NULL,
    released bigint NOT NULL,
    priority integer NOT NULL,
    promised_date text COLLATE "C",
    backordered_at timestamptz,
    made boolean NOT NULL,
    PRIMARY KEY (order_id, line_no, sku, warehouse),
    CONSTRAINT allocation_quantity_check CHECK (reserved >= 0 AND backordered >= 0 AND consumed >= 0 AND released >= 0),
    CONSTRAINT allocation_backordered_check CHECK (backordered = 0 OR backordered_at IS NOT NULL)
) WITH (fillfactor = 80);
-- For looking at what holds a product; live rows only.
CREATE INDEX allocation_sku ON allocation (sku) WHERE reserved > 0 OR backordered > 0;

CREATE TABLE backorder (
    sku text COLLATE "C" NOT NULL,
    order_id uuid NOT NULL,
    line_no integer NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CONSTRAINT backorder_quantity_check CHECK (quantity > 0),
    priority integer NOT NULL,
    promised_date text COLLATE "C",
    since timestamptz NOT NULL,
    PRIMARY KEY (sku, order_id, line_no)
);

CREATE TABLE substitute (
    for_sku text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    offered boolean NOT NULL,
    name text NOT NULL,
    available bigint NOT NULL CONSTRAINT substitute_available_check CHECK (available >= 0),
    PRIMARY KEY (for_sku, sku)
) WITH (fillfactor = 70);
CREATE INDEX substitute_sku ON substitute (sku);

CREATE TABLE stock_ledger (
    id uuid PRIMARY KEY,
    sku text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    movement bigint NOT NULL,
    order_id uuid,
    line_no integer NOT NULL,
    kind text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CONSTRAINT stock_ledger_quantity_check CHECK (quantity >= 0),
    on_hand_change bigint NOT NULL,
    reserved_change bigint NOT NULL,
    on_hand_after bigint NOT NULL,
    reserved_after bigint NOT NULL,
    at timestamptz NOT NULL,
    causation uuid NOT NULL,
    period text COLLATE "C",
    CONSTRAINT stock_ledger_after_check
        CHECK (on_hand_after >= 0 AND reserved_after >= 0 AND reserved_after <= on_hand_after)
);
CREATE INDEX stock_ledger_period ON stock_ledger (period) WHERE period IS NOT NULL;

CREATE TABLE consumed_shipment (
    shipment_id text COLLATE "C" PRIMARY KEY,
    order_id uuid NOT NULL,
    at timestamptz NOT NULL
);

CREATE TABLE product_ref (
    sku text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    retired boolean NOT NULL,
    no_picking boolean NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE warehouse_ref (
    warehouse text COLLATE "C" PRIMARY KEY,
    adapter text COLLATE "C" NOT NULL,
    version bigint NOT NULL
);
