#!/bin/sh
# Snapshots every collection, fetches the snapshots into /backup and keeps five weeks of them. Restore by
# "cortexops restore", or a collection with
#   curl -H "api-key: $QDRANT_API_KEY" -F snapshot=@/backup/FILE "$QDRANT_URL/collections/NAME/snapshots/upload?priority=snapshot"
set -eu
umask 077
dir=${BACKUP_DIR:-/backup}
tmp=${TMPDIR:-/tmp}
printf 'api-key: %s\n' "${QDRANT_API_KEY:-}" >"$tmp/header" # not on a command line, where ps shows it
api() { curl --fail --silent --show-error --max-time 1800 --header "@$tmp/header" "$@"; }
names() { tr '{,' '\n\n' | sed -n 's/^.*"name":"\([A-Za-z0-9_.-]*\)".*$/\1/p'; }

api "$QDRANT_URL/collections" >"$tmp/collections"
now=$(date -u +%Y%m%dT%H%M%SZ)
for collection in $(names <"$tmp/collections"); do
	snapshots=$QDRANT_URL/collections/$collection/snapshots
	api --request POST "$snapshots?wait=true" >"$tmp/snapshot"
	name=$(names <"$tmp/snapshot")
	[ -n "$name" ] || { echo "Qdrant named no snapshot of $collection" >&2; exit 1; }
	new=$dir/qdrant-$collection-$now.snapshot
	api --output "$new.part" "$snapshots/$name"
	mv "$new.part" "$new"
	api --request DELETE "$snapshots/$name" >/dev/null # the server keeps it until then
	echo "wrote $new, $(wc -c <"$new") bytes"
done
find "$dir" -name '*.snapshot' -mtime +35 -delete
find "$dir" -name '*.snapshot.part' -mtime +1 -delete
