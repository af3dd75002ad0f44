-- What the audit may read (orderctl saga verify): the sagas, their history, the rules, and how far each slot has published.
-- Run roles.sql before this.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderclerk_audit') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO orderclerk_audit', current_schema());
        GRANT SELECT ON saga, saga_history, saga_rule TO orderclerk_audit;
        GRANT SELECT (p, batch_no, published_no) ON slot TO orderclerk_audit;
    END IF;
END
$$;
