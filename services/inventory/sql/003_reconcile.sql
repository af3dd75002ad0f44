-- Who put counters back to what is written down, and why: rows of kind RECONCILE. And what the audit may read (orderctl
-- stock reconcile): the counters, what is written down of them, and which orders are held. Run roles.sql before this.
ALTER TABLE stock_ledger ADD COLUMN actor text, ADD COLUMN reason text;
ALTER TABLE stock_ledger ADD CONSTRAINT stock_ledger_reconcile_check
    CHECK (kind <> 'RECONCILE' OR (actor IS NOT NULL AND reason IS NOT NULL)) NOT VALID;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderclerk_audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO orderclerk_audit', current_schema());
        GRANT SELECT ON stock, stock_ledger, allocation, backorder TO orderclerk_audit;
        GRANT SELECT (key, held) ON key_state TO orderclerk_audit;
    END IF;
END
$$;
