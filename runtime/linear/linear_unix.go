//go:build unix

package linear

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func reserve(n uint64) ([]byte, error) {
	b, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB of address space: %w", n>>20, err)
	}
	return b, nil
}

func commit([]byte, uint64, uint64) error { return nil }

func release(b []byte) { _ = unix.Munmap(b) }
