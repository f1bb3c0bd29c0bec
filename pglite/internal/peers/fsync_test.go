package peers

import (
	"bytes"
	"os"
	"path/filepath"
	"time"
)

// fsyncRate is what the disk that holds temporary folders does by itself: one
// aligned page written and synced at a time, in a file that is there before, as
// WAL segments are.
func fsyncRate() (float64, error) {
	f, err := os.Create(filepath.Join(work, "fsync"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const n, pages = 300, 128
	page := bytes.Repeat([]byte{1}, 8192)
	if _, err := f.Write(bytes.Repeat(page, pages)); err != nil {
		return 0, err
	}
	start := time.Now()
	for i := range int64(n) {
		if _, err := f.WriteAt(page, i%pages*int64(len(page))); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
	}
	return n / time.Since(start).Seconds(), nil
}
