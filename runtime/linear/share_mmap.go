//go:build linux || darwin

package linear

import (
	"bytes"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CanShare tells whether this system can map pages over a part of a
// reservation, and so has Segments.
const CanShare = true

func mapSegment(b []byte, f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = mapFixed(b, int(fd), unix.MAP_SHARED) })
	if cerr != nil {
		return cerr
	}
	return err
}

func mapPrivate(b []byte) error {
	return mapFixed(b, -1, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
}

// mapFixed replaces the pages of b, which are part of a reservation, in one
// step: at no time are the addresses free for somebody else.
func mapFixed(b []byte, fd, flags int) error {
	_, err := unix.MmapPtr(fd, 0, unsafe.Pointer(&b[0]), uintptr(len(b)), unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

// writeTouched writes what is not zero in b to the same offsets of f. Where
// the system tells which pages were never touched it does not bring them in.
func writeTouched(f *os.File, b []byte) error {
	size := os.Getpagesize()
	zeros := make([]byte, size)
	touched := touchedPages(b)
	holds := func(k int) bool { return touched(k) && !bytes.Equal(b[k*size:(k+1)*size], zeros) }
	for from, pages := 0, len(b)/size; from < pages; from++ {
		to := from
		for to < pages && holds(to) {
			to++
		}
		if to == from {
			continue
		}
		if _, err := f.WriteAt(b[from*size:to*size], int64(from*size)); err != nil {
			return err
		}
		from = to
	}
	return nil
}
