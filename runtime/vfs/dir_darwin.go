package vfs

import "os"

// datasync is a full sync: darwin's fdatasync leaves the drive's cache alone,
// os.File.Sync (F_FULLFSYNC) doesn't.
func datasync(f *os.File) error { return f.Sync() }

// allocate writes zeros: F_PREALLOCATE reserves space without making it part
// of the file.
func allocate(f *os.File, off, n int64) error { return writeZeros(f, off, n) }
