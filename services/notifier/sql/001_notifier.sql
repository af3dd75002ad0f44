-- Messages to persons: one per causing event, kind, channel and recipient.
CREATE TABLE notification (
    causing_event uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    locale text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CONSTRAINT notification_state_check CHECK (state IN ('PENDING', 'SENT', 'FAILED')),
    reason text,
    tries integer NOT NULL CONSTRAINT notification_tries_check CHECK (tries >= 0),
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    revision bigint NOT NULL,
    PRIMARY KEY (causing_event, kind, channel, recipient),
    CONSTRAINT notification_settled_check CHECK ((state = 'PENDING') = (settled_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX notification_pending ON notification (created_at) WHERE state = 'PENDING';
COMMENT ON TABLE notification IS 'What was told to whom, and what became of it';
COMMENT ON COLUMN notification.id IS 'The left part of the Message-ID, the same on every try';
