package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// processBegan is when the kernel started this process, by kinfo_proc of
// sysctl(3).
func processBegan() (time.Time, bool) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", os.Getpid())
	if err != nil {
		return time.Time{}, false
	}
	began := info.Proc.P_starttime
	return time.Unix(began.Unix()), true
}
