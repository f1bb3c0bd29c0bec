//go:build !unix

package pglite

import (
	"fmt"
	"path/filepath"

	"github.com/gofrs/flock"
)

// lockName is the file that is locked: directories can't be, here.
const lockName = "howdah.lock"

func lockDir(dir string) (*flock.Flock, error) {
	l := flock.New(filepath.Join(dir, lockName))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("pglite: lock data directory: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	return l, nil
}

// writable leaves it to the first file that is made.
func writable(string) error { return nil }
