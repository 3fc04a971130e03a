# Who may approve what. By default everybody who may push, but never who made the change. To leave an environment to some,
# copy the policies into a folder of your own (policies.directory) and name their logins here:
#
#	approvers.payments contains "sam"
#	approvers.payments contains "dana"
package cortexops.people

approvers[environment] contains login if some environment, login in {}

# Where a change of low risk that hits few is merged without asking anybody, if its playbook asks for one person only. By
# default nowhere:
#
#	unattended contains "staging"
unattended contains environment if some environment in set()
