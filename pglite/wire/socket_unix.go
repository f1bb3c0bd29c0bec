//go:build unix

package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrSocketInUse is wrapped by ListenUnix when another server has the socket.
var ErrSocketInUse = errors.New("socket is in use by another server")

// ListenUnix listens on dir/.s.PGSQL.<port>, where libpq looks for it, with the
// socket's permissions 0600: Postgres has 0777 and then asks the kernel who the
// client is, while here whoever gets through is trusted. A directory that others
// may write to, such as /tmp, does no harm: the socket is made in a directory of
// its own and renamed into place, so nobody can connect before the permissions are
// set.
//
// The socket's lock file, with ".lock" appended, is Postgres' in form and place,
// so that either server respects the other; in addition it is locked with flock(2),
// which a dead process can't hold. What a dead server has left behind is replaced;
// a socket on which somebody answers is refused with ErrSocketInUse. Closing the
// listener removes both files.
func ListenUnix(dir string, port int) (net.Listener, error) {
	path := filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", port))
	lock, err := lockSocket(path + ".lock")
	if err != nil {
		return nil, err
	}
	// A server that does not lock its file, such as Postgres, is asked.
	if nc, err := net.Dial("unix", path); err == nil {
		nc.Close()
		if info, err := lock.Stat(); err == nil && info.Size() == 0 {
			os.Remove(lock.Name()) // made by us a moment ago
		}
		lock.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrSocketInUse)
	}
	l, err := bindSocket(path, port, dir, lock)
	if err != nil {
		os.Remove(lock.Name())
		lock.Close()
		return nil, err
	}
	return l, nil
}

func bindSocket(path string, port int, dir string, lock *os.File) (net.Listener, error) {
	// The lines of a socket lock file of Postgres: process, data directory,
	// start time, port, socket directory (CreateLockFile in miscinit.c).
	if err := lock.Truncate(0); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(lock, "%d\n\n0\n%d\n%s\n", os.Getpid(), port, dir); err != nil {
		return nil, err
	}
	private, err := os.MkdirTemp(dir, ".h") // 0700
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(private, "s")})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it would unlink the name that is renamed away
	if err := os.Chmod(filepath.Join(private, "s"), 0o600); err != nil {
		l.Close()
		return nil, err
	}
	if err := os.Rename(filepath.Join(private, "s"), path); err != nil {
		l.Close()
		return nil, err
	}
	return &socketListener{UnixListener: l, path: path, lock: lock}, nil
}

// lockSocket opens and locks a lock file. The lock counts only while the file
// has its name: a server that is closing unlinks it before it lets go.
func lockSocket(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, fmt.Errorf("%s: %w", path, ErrSocketInUse)
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		locked, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		if named, err := os.Lstat(path); err == nil && os.SameFile(locked, named) {
			return f, nil
		}
		f.Close()
	}
}

// socketListener removes its files when it is closed.
type socketListener struct {
	*net.UnixListener
	path string
	lock *os.File
	once sync.Once
}

// Addr is the path that clients use.
func (l *socketListener) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: l.path} }

func (l *socketListener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		err = errors.Join(os.Remove(l.path), l.UnixListener.Close(), os.Remove(l.lock.Name()), l.lock.Close())
	})
	return err
}
