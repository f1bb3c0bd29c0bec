//go:build unix

package vfs

import "golang.org/x/sys/unix"

func mapSlab(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

func unmapSlab(data []byte) {
	// Fails only for memory that was not mapped by mapSlab.
	if err := unix.Munmap(data); err != nil {
		panic("vfs: munmap: " + err.Error())
	}
}

// discardSlab is advice: where it is not taken, the memory stays.
func discardSlab(data []byte) { _ = unix.Madvise(data, unix.MADV_DONTNEED) }
