#!/bin/sh
# Brings both schemas of Temporal up to the version of these tools; again does no harm.
set -eu
temporal-sql-tool --db temporal setup-schema --version 0.0
temporal-sql-tool --db temporal update-schema --schema-name postgresql/v12/temporal
temporal-sql-tool --db temporal_visibility setup-schema --version 0.0
temporal-sql-tool --db temporal_visibility update-schema --schema-name postgresql/v12/visibility
