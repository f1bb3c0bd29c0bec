package linear

import (
	"encoding/binary"
	"os"
	"unsafe"
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
