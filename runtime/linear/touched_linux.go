package linear

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// touchedPages tells by number which pages of b may hold anything. mincore(2)
// would call a page that is swapped out not there, so it asks
// /proc/self/pagemap
// (https://docs.kernel.org/admin-guide/mm/pagemap.html): 8 bytes a page, bit
// 63 present, bit 62 swapped out. Without it every page may.
func touchedPages(b []byte) func(k int) bool {
	const presentOrSwapped = 3 << 62
	all := func(int) bool { return true }
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return all
	}
	defer f.Close()
	size := os.Getpagesize()
	entries := make([]byte, 8*(len(b)/size))
	first := uintptr(unsafe.Pointer(&b[0])) / uintptr(size)
	if _, err := f.ReadAt(entries, 8*int64(first)); err != nil {
		return all
	}
	return func(k int) bool { return binary.NativeEndian.Uint64(entries[8*k:])&presentOrSwapped != 0 }
}

// dataPages tells by number which of n bytes at off of a memfd have pages, in
// memory or swapped out; reading the others would make them. Without the file,
// which may be closed, every page may.
func dataPages(f *os.File, off, n uint64) func(k int) bool {
	all := func(int) bool { return true }
	conn, err := f.SyscallConn()
	if err != nil {
		return all
	}
	size := uint64(os.Getpagesize())
	has := make([]bool, (n+size-1)/size)
	cerr := conn.Control(func(fd uintptr) {
		for at := off; at < off+n; {
			var from, to int64
			if from, err = unix.Seek(int(fd), int64(at), unix.SEEK_DATA); err != nil {
				if err == unix.ENXIO { // none behind at
					err = nil
				}
				return
			}
			if to, err = unix.Seek(int(fd), from, unix.SEEK_HOLE); err != nil {
				return
			}
			for p := uint64(from); p < min(uint64(to), off+n); p += size {
				has[(p-off)/size] = true
			}
			at = uint64(to)
		}
	})
	if cerr != nil || err != nil {
		return all
	}
	return func(k int) bool { return has[k] }
}
