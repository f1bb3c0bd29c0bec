package main

import (
	"time"

	"golang.org/x/sys/windows"
)

// processBegan is when the system started this process, by GetProcessTimes.
func processBegan() (time.Time, bool) {
	var began, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &began, &ended, &kernel, &user); err != nil {
		return time.Time{}, false
	}
	return time.Unix(0, began.Nanoseconds()), true
}
