package linear

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident asks mincore(2), for which what is swapped out is not there.
func resident(b []byte) (n uint64) {
	size := os.Getpagesize()
	pages := make([]byte, (len(b)+size-1)/size)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&pages[0])))
	if errno != 0 {
		return uint64(len(b))
	}
	for _, p := range pages {
		n += uint64(p & 1)
	}
	return n * uint64(size)
}
