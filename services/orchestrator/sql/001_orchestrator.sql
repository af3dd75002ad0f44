-- The sagas: one row per order, its history, and the table of rules that a join explains any order with:
--   SELECT h.at, h.from_state, h.to_state, h.event, r.why FROM saga_history h JOIN saga_rule r USING (rule_id) WHERE order_id = …
CREATE TABLE saga (
    order_id uuid PRIMARY KEY,
    slot int NOT NULL,
    definition text NOT NULL,
    definition_version int NOT NULL,
    state text NOT NULL CONSTRAINT saga_state_known CHECK (state IN (
        'RECEIVED', 'VALIDATING', 'AWAITING_CUSTOMER', 'AWAITING_DEPARTMENT', 'RESERVING', 'SHORTAGE_OFFERED', 'IN_REVIEW',
        'REGISTERED', 'SCHEDULED', 'IN_PRODUCTION', 'IN_FULFILMENT', 'PARTIALLY_SHIPPED', 'SHIPPED', 'DELIVERED', 'COMPLETED',
        'REJECTED', 'CANCELLED', 'ARCHIVED', 'COMPENSATING', 'NEEDS_PERSON')),
    revision bigint NOT NULL CONSTRAINT saga_revision_positive CHECK (revision >= 1),
    order_no text,
    waiting_on text,
    state_since timestamptz NOT NULL,
    deadline timestamptz,
    doc bytea NOT NULL
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX saga_order_no ON saga (order_no) WHERE order_no IS NOT NULL;

CREATE TABLE saga_history (
    order_id uuid NOT NULL,
    revision bigint NOT NULL,
    at timestamptz NOT NULL,
    rule_id int NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    event text NOT NULL,
    topic text,
    record_partition int NOT NULL,
    record_offset bigint NOT NULL,
    causation_id text,
    PRIMARY KEY (order_id, revision)
);
DO $$ BEGIN EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON saga_history FROM %I', 'orderclerk_' || current_schema()); END $$;

-- Order numbers: each slot counts for itself; the slot is part of the number.
CREATE TABLE order_number (
    slot int PRIMARY KEY,
    next bigint NOT NULL CONSTRAINT order_number_positive CHECK (next > 0)
);

-- The table of rules, as the running binary has it; written when a process starts.
CREATE TABLE saga_rule (
    rule_id int PRIMARY KEY,
    kind text NOT NULL,
    to_state text,
    guard text,
    actions text,
    why text NOT NULL
);
