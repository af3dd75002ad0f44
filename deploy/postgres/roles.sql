-- Database, schemas and roles of orderclerk: a schema per service, a login role per service that sees no other schema, an
-- owner that nobody logs in as, a role that migrates, and one that audits (`orderctl saga verify`, `stock reconcile`): it may
-- read some tables of orchestrator and inventory and write none; their migrations say which. Idempotent: run it again after
-- a change (before the services' --migrate), or to set passwords.
--
--   psql -X -v ON_ERROR_STOP=1 -d postgres -f roles.sql          as a superuser; PostgreSQL 15 or later
--
-- Passwords come from the environment, never from arguments: ORDERCLERK_PASSWORD_MIGRATE, ORDERCLERK_PASSWORD_INTAKE and so
-- on. One that is absent leaves the role's password as it is; a role that then has none is an error.
-- `-v database=NAME` names another database than orderclerk.
--
-- Rights: a service gets SELECT, INSERT, UPDATE and DELETE on what the owner creates in its schema, by default privileges.
-- A migration takes away what a table must not allow (ledgers: REVOKE UPDATE, DELETE).
\set ON_ERROR_STOP on
-- No password may reach a log or pg_stat_statements.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET pg_stat_statements.track_utility = off;

\if :{?database}
\else
    \set database orderclerk
\endif
\set pw_migrate ''
\set pw_intake ''
\set pw_validator ''
\set pw_inventory ''
\set pw_fulfillment ''
\set pw_notifier ''
\set pw_orchestrator ''
\set pw_desk ''
\set pw_audit ''
\getenv pw_migrate ORDERCLERK_PASSWORD_MIGRATE
\getenv pw_intake ORDERCLERK_PASSWORD_INTAKE
\getenv pw_validator ORDERCLERK_PASSWORD_VALIDATOR
\getenv pw_inventory ORDERCLERK_PASSWORD_INVENTORY
\getenv pw_fulfillment ORDERCLERK_PASSWORD_FULFILLMENT
\getenv pw_notifier ORDERCLERK_PASSWORD_NOTIFIER
\getenv pw_orchestrator ORDERCLERK_PASSWORD_ORCHESTRATOR
\getenv pw_desk ORDERCLERK_PASSWORD_DESK
\getenv pw_audit ORDERCLERK_PASSWORD_AUDIT

CREATE TEMPORARY TABLE login (name text PRIMARY KEY, password text NOT NULL, service text);
INSERT INTO login VALUES
    ('orderclerk_migrate',      :'pw_migrate',      NULL),
    ('orderclerk_audit',        :'pw_audit',        NULL),
    ('orderclerk_intake',       :'pw_intake',       'intake'),
    ('orderclerk_validator',    :'pw_validator',    'validator'),
    ('orderclerk_inventory',    :'pw_inventory',    'inventory'),
    ('orderclerk_fulfillment',  :'pw_fulfillment',  'fulfillment'),
    ('orderclerk_notifier',     :'pw_notifier',     'notifier'),
    ('orderclerk_orchestrator', :'pw_orchestrator', 'orchestrator'),
    ('orderclerk_desk',         :'pw_desk',         'desk');

-- Roles
SELECT 'CREATE ROLE orderclerk_owner NOLOGIN'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderclerk_owner')
\gexec
SELECT format('CREATE ROLE %I LOGIN NOINHERIT', name)
  FROM login WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) ORDER BY name
\gexec
SELECT format('ALTER ROLE %I PASSWORD %L', name, password) FROM login WHERE password <> '' ORDER BY name
\gexec
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(l.name, ', ' ORDER BY l.name) INTO missing
      FROM login l JOIN pg_authid a ON a.rolname = l.name WHERE a.rolpassword IS NULL;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'no password for %: set ORDERCLERK_PASSWORD_<SERVICE>', missing;
    END IF;
END
$$;
GRANT orderclerk_owner TO orderclerk_migrate;

-- Database: bytewise order (fast, the same everywhere), characters of UTF-8
SELECT format('CREATE DATABASE %I OWNER orderclerk_owner TEMPLATE template0 ENCODING ''UTF8'' LC_COLLATE ''C'' LC_CTYPE ''C.UTF-8''',
              :'database')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'database')
\gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', :'database', name) FROM login ORDER BY name
\gexec

-- Settings of each role. A stopped process must not block its successor: the server ends its transaction after 2 s.
SELECT format('ALTER ROLE %I IN DATABASE %I SET %s', name, :'database', setting)
  FROM login,
       (VALUES (1, 'idle_in_transaction_session_timeout = ''2s'''), (2, 'lock_timeout = ''2s'''),
               (3, 'statement_timeout = ''10s''')) AS s(n, setting)
 WHERE service IS NOT NULL ORDER BY name, n
\gexec
SELECT format('ALTER ROLE %I IN DATABASE %I SET search_path = %I', name, :'database', service)
  FROM login WHERE service IS NOT NULL ORDER BY name
\gexec
-- The audit names schemas itself.
SELECT format('ALTER ROLE orderclerk_audit IN DATABASE %I SET %s', :'database', setting)
  FROM (VALUES (1, 'search_path = '''''), (2, 'statement_timeout = ''10s''')) AS s(n, setting)
 ORDER BY n
\gexec
-- What the migrating role creates belongs to the owner; it waits for locks, but not for ever.
SELECT format('ALTER ROLE orderclerk_migrate IN DATABASE %I SET %s', :'database', setting)
  FROM (VALUES (1, 'role = ''orderclerk_owner'''), (2, 'lock_timeout = ''30s''')) AS s(n, setting) ORDER BY n
\gexec

-- In the database (the temporary table stays behind: this is another session)
\connect :"database"
SET log_min_error_statement = 'panic';
CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE orderclerk_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE orderclerk_owner REVOKE ALL ON TYPES FROM PUBLIC;
SELECT format(statement, service, 'orderclerk_' || service)
  FROM unnest(ARRAY['intake', 'validator', 'inventory', 'fulfillment', 'notifier', 'orchestrator', 'desk']) AS service,
       (VALUES (1, 'CREATE SCHEMA IF NOT EXISTS %1$I AUTHORIZATION orderclerk_owner'),
               (2, 'REVOKE ALL ON SCHEMA %1$I FROM PUBLIC'),
               (3, 'GRANT USAGE ON SCHEMA %1$I TO %2$I'),
               (4, 'ALTER DEFAULT PRIVILEGES FOR ROLE orderclerk_owner IN SCHEMA %1$I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %2$I'),
               (5, 'ALTER DEFAULT PRIVILEGES FOR ROLE orderclerk_owner IN SCHEMA %1$I GRANT USAGE ON SEQUENCES TO %2$I'),
               (6, 'ALTER DEFAULT PRIVILEGES FOR ROLE orderclerk_owner IN SCHEMA %1$I GRANT EXECUTE ON FUNCTIONS TO %2$I'),
               (7, 'ALTER DEFAULT PRIVILEGES FOR ROLE orderclerk_owner IN SCHEMA %1$I GRANT USAGE ON TYPES TO %2$I'))
           AS s(n, statement)
 ORDER BY service, n
\gexec
