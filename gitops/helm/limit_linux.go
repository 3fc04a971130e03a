package helm

import "syscall"

// limit is the wall behind watch: one allocation of more than this fails at once.
func limit(memory uint64) error {
	wall := 2*memory + 256<<20
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: wall, Max: wall})
}
