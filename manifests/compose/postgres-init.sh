#!/bin/sh
# One role and its own databases for the ledger, one for Temporal. Runs once, on an empty volume.
set -eu
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
	--set=cortexops="$CORTEXOPS_DB_PASSWORD" --set=temporal="$TEMPORAL_DB_PASSWORD" <<-'SQL'
	CREATE ROLE cortexops LOGIN PASSWORD :'cortexops';
	CREATE ROLE temporal LOGIN PASSWORD :'temporal';
	CREATE DATABASE cortexops OWNER cortexops;
	CREATE DATABASE temporal OWNER temporal;
	CREATE DATABASE temporal_visibility OWNER temporal;
SQL
