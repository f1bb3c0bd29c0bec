package linear

import (
	"os"

	"golang.org/x/sys/unix"
)

func openSegment(size uint64) (*os.File, error) {
	fd, err := unix.MemfdCreate("howdah", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "memfd:howdah")
	if err := f.Truncate(int64(size)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
