//go:build !linux

package linear

func resident(b []byte) uint64 { return uint64(len(b)) }
