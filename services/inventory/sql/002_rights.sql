-- The service's role has by default what its tables need (deploy/postgres/roles.sql); here it gets less. The ledger and what
-- has left are written once; stock, orders' shares and the lists of substitutes are never deleted.
DO $$
DECLARE
    service constant text := 'orderclerk_' || current_schema();
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
        EXECUTE format('REVOKE ALL ON stock_ledger, consumed_shipment, stock, allocation, substitute FROM %I', service);
        EXECUTE format('GRANT SELECT, INSERT ON stock_ledger, consumed_shipment TO %I', service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON stock, allocation, substitute TO %I', service);
    END IF;
END
$$;
