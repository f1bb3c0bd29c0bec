//go:build linux || darwin

package linear

import (
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
	cerr := conn.Control(func(fd uintptr) { err = mapFixed(b, int(fd), 0, unix.MAP_SHARED) })
	if cerr != nil {
		return cerr
	}
	return err
}

func mapPrivate(b []byte) error {
	return mapFixed(b, -1, 0, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
}

// mapFixed replaces the pages of b, which are part of a reservation, in one
// step: at no time are the addresses free for somebody else.
func mapFixed(b []byte, fd int, off int64, flags int) error {
	_, err := unix.MmapPtr(fd, off, unsafe.Pointer(&b[0]), uintptr(len(b)), unix.PROT_READ|unix.PROT_WRITE, flags|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

// mapImage puts pages of f over b; a store makes a copy of one.
func mapImage(b []byte, f *os.File, off int64) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	cerr := conn.Control(func(fd uintptr) { err = mapFixed(b, int(fd), off, unix.MAP_PRIVATE) })
	if cerr != nil {
		return cerr
	}
	return err
}
