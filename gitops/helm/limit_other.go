//go:build !linux

package helm

// limit is watch's work alone.
func limit(uint64) error { return nil }
