-- The desk's read model: what can be searched, each order's timeline, open tasks, stock, dead letters. Made from topics
-- alone; may be emptied and read again.
CREATE TABLE order_row (
    order_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    order_no text,
    state text NOT NULL,
    waiting_on text,
    reason text,
    definition text,
    channel text NOT NULL,
    channel_ref text,
    customer_po text,
    customer_id text,
    company text,
    phone text,
    email text,
    currency text,
    total_minor bigint NOT NULL,
    due timestamptz,
    state_since timestamptz NOT NULL,
    submitted_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    doc bytea NOT NULL
) WITH (fillfactor = 60);
CREATE UNIQUE INDEX order_row_order_no ON order_row (order_no) WHERE order_no IS NOT NULL;
CREATE INDEX order_row_po ON order_row (customer_po, order_id) WHERE customer_po IS NOT NULL;
CREATE INDEX order_row_phone ON order_row (phone, order_id) WHERE phone IS NOT NULL;
CREATE INDEX order_row_customer ON order_row (customer_id, order_id) WHERE customer_id IS NOT NULL;
CREATE INDEX order_row_ref ON order_row (channel_ref, order_id) WHERE channel_ref IS NOT NULL;
CREATE INDEX order_row_open ON order_row (waiting_on, order_id) WHERE state NOT IN ('COMPLETED', 'REJECTED', 'CANCELLED', 'ARCHIVED');
CREATE INDEX order_row_due ON order_row (due) WHERE due IS NOT NULL;

-- Which products an order has, by the customer's code and by sku.
CREATE TABLE order_product (
    order_id uuid NOT NULL,
    product text NOT NULL,
    PRIMARY KEY (order_id, product)
);
CREATE INDEX order_product_product ON order_product (product, order_id);

CREATE TABLE timeline (
    order_id uuid NOT NULL,
    topic int NOT NULL,
    sequence bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    causation_id text,
    rule_id int NOT NULL,
    from_state text,
    to_state text,
    saga_event text,
    cause_topic text,
    cause_partition int NOT NULL,
    cause_offset bigint NOT NULL,
    record_partition int NOT NULL,
    record_offset bigint NOT NULL,
    departments text,
    value bytea NOT NULL,
    PRIMARY KEY (order_id, topic, sequence)
);

CREATE TABLE task (
    task_id text PRIMARY KEY,
    order_id uuid NOT NULL,
    owner text NOT NULL,
    kind text NOT NULL,
    text_en text,
    text_zh text,
    since timestamptz NOT NULL,
    due timestamptz,
    closed timestamptz,
    outcome text
);
CREATE INDEX task_order ON task (order_id);
CREATE INDEX task_open ON task (owner, due) WHERE closed IS NULL;

CREATE TABLE stock_level (
    key text PRIMARY KEY,
    sku text NOT NULL,
    warehouse text NOT NULL,
    version bigint NOT NULL,
    on_hand bigint NOT NULL,
    reserved bigint NOT NULL,
    backordered bigint NOT NULL,
    safety bigint NOT NULL,
    damaged bigint NOT NULL,
    qc_hold bigint NOT NULL,
    incoming bigint NOT NULL,
    incoming_date text,
    updated_at timestamptz NOT NULL
);
CREATE INDEX stock_level_sku ON stock_level (sku);

CREATE TABLE dead_letter (
    id uuid PRIMARY KEY,
    service text NOT NULL,
    topic text NOT NULL,
    record_partition int NOT NULL,
    record_offset bigint NOT NULL,
    key text NOT NULL,
    reason text NOT NULL,
    detail text,
    state text,
    record_event_id text,
    held boolean NOT NULL,
    settled boolean NOT NULL,
    at timestamptz NOT NULL,
    value bytea NOT NULL
);
CREATE INDEX dead_letter_key ON dead_letter (key);
CREATE INDEX dead_letter_open ON dead_letter (service, at) WHERE NOT settled;
