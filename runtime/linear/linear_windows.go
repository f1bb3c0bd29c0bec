package linear

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

func reserve(n uint64) ([]byte, error) {
	p, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE, windows.PAGE_READWRITE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB of address space: %w", n>>20, err)
	}
	return unsafe.Slice((*byte)(unsafe.Add(nil, p)), n), nil
}

func commit(b []byte, from, to uint64) error {
	if to <= from {
		return nil
	}
	_, err := windows.VirtualAlloc(uintptr(unsafe.Pointer(&b[from])), uintptr(to-from), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

func release(b []byte) {
	_ = windows.VirtualFree(uintptr(unsafe.Pointer(&b[0])), 0, windows.MEM_RELEASE)
}
