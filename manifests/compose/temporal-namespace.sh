#!/bin/sh
# Makes the namespace with the search attributes of CortexOps; again does no harm.
set -eu
until temporal operator cluster health; do sleep 2; done
temporal operator namespace describe >/dev/null 2>&1 || temporal operator namespace create --retention 90d
until temporal operator search-attribute list >/dev/null 2>&1; do sleep 2; done # a new namespace takes seconds to be known
for name in CortexOpsPhase CortexOpsIncident CortexOpsTarget CortexOpsPlaybook; do
	temporal operator search-attribute list | grep -qw "$name" || temporal operator search-attribute create --name "$name" --type Keyword
done
