-- Three roles for the database of the service: who may change its shape, its rows, or nothing.
--
--   comms_owner   owns the tables; for `comms db upgrade` and `comms restore`, and for nothing that runs all day
--   comms_app     reads and writes rows and cannot change the schema; for api, worker, relay and launcher
--   comms_reader  reads ids, states, times and codes, no person and no text; for reports and whoever looks for a fault
--
-- Run it as an administrator in the database of the service: before the first `comms db upgrade`, so that the owner makes the
-- tables, and after every upgrade, so that the reader sees new columns. Doing it again is harmless, also while the service works:
--
--   psql --set ON_ERROR_STOP=1 --file deployments/postgres/roles.sql comms
--
-- docker-compose.yml does both. The roles have no password at first. Give them theirs with \password comms_app, which sends no
-- password in clear, or for programs in these variables of the environment, never on the command line.
\getenv owner_password COMMS_OWNER_PASSWORD
\getenv app_password COMMS_APP_PASSWORD
\getenv reader_password COMMS_READER_PASSWORD

BEGIN;
SET LOCAL client_min_messages = warning;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['comms_owner', 'comms_app', 'comms_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', name);
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', name);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), name);
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    -- `comms db check` lays the models out in a scratch schema
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO comms_owner', current_database());
END $$;

\if :{?owner_password}
ALTER ROLE comms_owner PASSWORD :'owner_password';
\endif
\if :{?app_password}
ALTER ROLE comms_app PASSWORD :'app_password';
\endif
\if :{?reader_password}
ALTER ROLE comms_reader PASSWORD :'reader_password';
\endif

-- the owner has the schema and whatever stands in it, whoever made it; its sequences go with their tables. A table that is its
-- already is left alone: to change an owner, even into the same, waits for every transaction that uses the table.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO comms_app, comms_reader;
ALTER SCHEMA public OWNER TO comms_owner;
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'comms_owner' LOOP
        EXECUTE format('ALTER TABLE public.%I OWNER TO comms_owner', name);
    END LOOP;
END $$;

-- the application: rows, also of tables that a later migration makes
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO comms_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO comms_app;
ALTER DEFAULT PRIVILEGES FOR ROLE comms_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO comms_app;
ALTER DEFAULT PRIVILEGES FOR ROLE comms_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO comms_app;
DO $$
BEGIN
    IF to_regclass('public.alembic_version') IS NOT NULL THEN
        REVOKE INSERT, UPDATE, DELETE ON public.alembic_version FROM comms_app;
    END IF;
END $$;

-- the reader: every column but these; what a later migration adds it sees after this script ran again
CREATE TEMPORARY TABLE kept_from_reader (place text, columns text[]) ON COMMIT DROP;
INSERT INTO kept_from_reader VALUES
    ('api_keys', '{digest,previous_digest}'),
    ('audit_log', '{details}'),
    ('contact_ledger', '{key}'),
    ('contact_state', '{key}'),
    ('dead_letters', '{content}'),
    ('email_batches', '{facts,response_notes}'),
    ('emails', '{salutation,subject,body_html,body_text,raw,recipient_email,recipient_name,mailbox,sender_email,
                 sender_name,message_id,reply_token,override_reason,response_content,follow_up_notes}'),
    ('idempotency_answers', '{key,fingerprint,headers,body}'),
    ('inbox_events', '{payload}'),
    ('patients', '{birth_date,gender,diagnosis,insurance,insurance_kind,availability,availability_faults,
                   open_to_group_therapy,earlier_therapy,last_session_on}'),
    ('phone_call_batches', '{follow_up_notes}'),
    ('phone_calls', '{outcome,notes,override_reason}'),
    ('placement_requests', '{notes}'),
    ('staff_settings', '{note}'),
    ('suppressions', '{mailbox,reason}'),
    ('therapists', '{salutation,title,first_name,last_name,practice_name,email,mailbox,phone,phone_extension,street,
                     postal_code,city,do_not_contact}');
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM comms_reader;
DO $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT c.table_name AS place, string_agg(quote_ident(c.column_name), ', ') AS columns
        FROM information_schema.columns c LEFT JOIN kept_from_reader k ON k.place = c.table_name
        WHERE c.table_schema = 'public' AND NOT c.column_name = ANY (coalesce(k.columns, '{}'))
        GROUP BY c.table_name
    LOOP
        EXECUTE format('GRANT SELECT (%s) ON public.%I TO comms_reader', found.columns, found.place);
    END LOOP;
END $$;
ALTER ROLE comms_reader SET default_transaction_read_only = on;

COMMIT;
