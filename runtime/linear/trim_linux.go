package linear

import (
	"bytes"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// trim asks mincore(2) which pages are there, so that looking at the others
// does not bring them in.
func trim(b []byte) (freed int) {
	size := os.Getpagesize()
	if len(b) < size {
		return 0
	}
	resident := make([]byte, len(b)/size)
	_, _, e := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(resident)*size), uintptr(unsafe.Pointer(&resident[0])))
	if e != 0 {
		return 0
	}
	zeros := make([]byte, size)
	idle := func(k int) bool { return resident[k]&1 != 0 && bytes.Equal(b[k*size:(k+1)*size], zeros) }
	for from := 0; from < len(resident); from++ {
		to := from
		for to < len(resident) && idle(to) {
			to++
		}
		if to > from && discard(b[from*size:to*size]) == nil {
			freed += (to - from) * size
			from = to
		}
	}
	return freed
}
