#!/bin/sh
# Builds the sandbox with a count of packages, since the first time takes long.
set -eu
cd "$(dirname "$0")"
for tool in go git; do
	command -v "$tool" >/dev/null || { echo "$tool is missing: install it and run make again" >&2; exit 1; }
done
mkdir -p ../../bin
[ -x ../../bin/sandbox ] || echo "looking for the Go modules that are needed; those that are not here yet are downloaded, about 850 MB with those of the other programs"
total=$(go list -deps . 2>../../bin/build.log | wc -l)
[ "$total" -gt 0 ] || { cat ../../bin/build.log >&2; exit 1; }
{ go build -v -o ../../bin/sandbox . 2>&1 && echo "exit 0" || echo "exit $?"; } | awk -v total="$total" '
	/^exit [0-9]+$/ { status = $2; next }
	/^[a-z0-9][A-Za-z0-9_.\/-]*$/ {
		if (n++ == 0) print "building the sandbox: a Kubernetes API server, Temporal and NATS are compiled once; about 12 minutes on 2 cores, seconds after that"
		if (n % 25 == 0) { printf "\r  %d packages compiled, of at most %d", n, total; fflush() }
		next
	}
	/^go: downloading / { if (d++ == 0) print "downloading Go modules"; next }
	{ print }
	END { if (n) print "\r  " n " packages compiled, of at most " total "        "; exit status }'
