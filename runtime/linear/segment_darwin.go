package linear

import (
	"os"

	"golang.org/x/sys/unix"
)

// openSegment takes the space on the disk first: a store to a page that has
// none is a fault of the whole process.
func openSegment(size uint64) (*os.File, error) {
	f, err := os.CreateTemp("", "howdah-segment-*")
	if err != nil {
		return nil, err
	}
	store := unix.Fstore_t{Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: int64(size)}
	err = os.Remove(f.Name())
	if err == nil {
		err = os.NewSyscallError("fcntl(F_PREALLOCATE)", unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &store))
	}
	if err == nil {
		err = f.Truncate(int64(size))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
