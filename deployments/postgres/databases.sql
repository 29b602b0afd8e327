-- Run once, by psql on an empty server: the database of Prefect, of a role of its own. That of the service is POSTGRES_DB of
-- the image, and roles.sql says who may do what in it.
-- The password comes from the environment, so that it stands in no file and in no command line.
\getenv prefect_password PREFECT_DATABASE_PASSWORD

CREATE ROLE prefect LOGIN PASSWORD :'prefect_password';
CREATE DATABASE prefect OWNER prefect ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE prefect FROM PUBLIC;
