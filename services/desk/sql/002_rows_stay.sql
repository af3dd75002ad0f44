-- A row of order_row is changed by each snapshot. It stays on its page, and no index is written, as long as no index names
-- what changes every time: what is open is told apart by a column of its own that changes once. Who waits and what is due is
-- then looked up among the open orders.
DROP INDEX order_row_open;
DROP INDEX order_row_due;
ALTER TABLE order_row ADD COLUMN open boolean NOT NULL
    GENERATED ALWAYS AS (state NOT IN ('COMPLETED', 'REJECTED', 'CANCELLED', 'ARCHIVED')) STORED;
CREATE INDEX order_row_open ON order_row (order_id) WHERE open;
-- Room for the next versions of a row beside the first.
ALTER TABLE order_row SET (fillfactor = 40);
-- A task's row is closed once: room for that.
ALTER TABLE task SET (fillfactor = 70);
