#!/bin/sh
# Dumps the databases into /backup and keeps two weeks of them. Restore with CortexOps and Temporal stopped, by
# "cortexops restore /backup", which takes the newest of each, or one by one; then compare the ledger with itself and with git:
#   pg_restore --clean --if-exists --no-owner -d cortexops /backup/cortexops-DATE.dump
#   cortexops ledger verify --config cortexops.yaml && cortexops ledger reconcile --config cortexops.yaml
set -eu
umask 077
dir=${BACKUP_DIR:-/backup}
now=$(date -u +%Y%m%dT%H%M%SZ)
for db in ${DATABASES:-temporal temporal_visibility cortexops}; do
	new=$dir/$db-$now.dump
	pg_dump --format=custom --no-password --file="$new.part" "$db"
	pg_restore --file=/dev/null "$new.part" # it can be read to its end
	mv "$new.part" "$new"
	echo "wrote $new, $(wc -c <"$new") bytes"
done
# Only now, so that a failing dump deletes no older one.
find "$dir" -name '*.dump' -mtime +14 -delete
find "$dir" -name '*.dump.part' -mtime +1 -delete
