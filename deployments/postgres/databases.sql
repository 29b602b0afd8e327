-- Run once, by psql on an empty server: a database each for the service and for Prefect, each of a role of its own.
-- The passwords come from the environment, so that none stands in a file or in a command line.
\getenv comms_password COMMS_DATABASE_PASSWORD
\getenv prefect_password PREFECT_DATABASE_PASSWORD

CREATE ROLE comms LOGIN PASSWORD :'comms_password';
CREATE DATABASE comms OWNER comms ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE comms FROM PUBLIC;

CREATE ROLE prefect LOGIN PASSWORD :'prefect_password';
CREATE DATABASE prefect OWNER prefect ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE prefect FROM PUBLIC;
