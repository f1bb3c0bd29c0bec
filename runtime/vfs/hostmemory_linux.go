package vfs

import "golang.org/x/sys/unix"

// hostMemory is the machine's memory in bytes, and how much of it is free.
func hostMemory(uint64) (total, free uint64) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, 0
	}
	unit := uint64(info.Unit)
	return uint64(info.Totalram) * unit, uint64(info.Freeram) * unit
}
