package pglite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/howdahdb/howdah/pglite"
)

// TestForbiddenDirectories: what the user may not read or write is refused
// before anything is changed. Root may do everything, so that its thread gives
// that up for the time of Open.
func TestForbiddenDirectories(t *testing.T) {
	for name, mode := range map[string]fs.FileMode{"unreadable": 0o300, "read-only": 0o555} {
		for _, filled := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "data")
			if filled {
				closedCluster(t, dir)
			} else if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			before := fingerprint(t, dir)
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			err := openUnprivileged(t, dir)
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s, filled %v: %v", name, filled, err)
			}
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if after := fingerprint(t, dir); after != before {
				t.Errorf("%s, filled %v: something in it has changed", name, filled)
			}
		}
	}
}

func openUnprivileged(t *testing.T, dir string) error {
	if os.Geteuid() == 0 {
		const nobody = 65534
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Setfsuid(nobody); err != nil {
			t.Fatal(err)
		}
		defer unix.Setfsuid(0)
	}
	c, err := pglite.Open(t.Context(), pglite.Options{Dir: dir})
	if err == nil {
		err = errors.Join(errors.New("it is opened"), c.Close(context.Background()))
	}
	return err
}
