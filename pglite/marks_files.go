package pglite

import (
	"encoding/json"
	"errors"
	"syscall"
	"time"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// SQL reaches marks by the functions of package catalog, which open files of the
// host's: one that lists them, and three folders in which opening a name sets,
// drops or goes back to a mark. That needs the bootstrap superuser's rights, as the
// functions have; who may only read files of the server can't.

// marksFile is the list as the view howdah_marks takes it.
func (c *Cluster) marksFile() []byte {
	type row struct {
		Name     string    `json:"name"`
		Taken    time.Time `json:"taken"`
		Bytes    int64     `json:"bytes"`
		OwnBytes int64     `json:"own_bytes"`
	}
	rows := []row{}
	for _, m := range c.Marks() {
		rows = append(rows, row(m))
	}
	b, err := json.Marshal(rows)
	if err != nil { // of times and numbers
		panic(err)
	}
	return b
}

// markHandles are the folders, by name.
func (c *Cluster) markHandles() map[string]*vfs.Handle {
	return map[string]*vfs.Handle{
		"mark":   c.handle(func(_ *backend, name string) error { return c.setMark(name) }),
		"unmark": c.handle(func(_ *backend, name string) error { return c.Unmark(name) }),
		"rewind": c.handle(func(b *backend, name string) error {
			if b.srv.condemned.Load() {
				return syscall.EBUSY
			}
			err := c.startRewind(name, func(error) {}) // what can fail after this is logged
			if err == nil {
				b.srv.condemned.Store(true)
			}
			return err
		}),
	}
}

// handle has do run for the backend that opens a name, which holds the baton, with
// its errors as errnos.
func (c *Cluster) handle(do func(b *backend, name string) error) *vfs.Handle {
	return vfs.NewHandle(func(name string) error {
		c.mu.Lock()
		s := c.mu.server
		c.mu.Unlock()
		b := s.running()
		if b == nil || b.inst == nil {
			return syscall.EACCES
		}
		user, err := b.inst.Call("GetUserId")
		if err != nil {
			return err
		}
		if uint32(user) != bootstrapSuperuser {
			return syscall.EACCES
		}
		return markErrno(do(b, name))
	})
}

// markErrno is what a guest is told. SQLSTATE and text are those that Postgres has
// for the errno (errcode_for_file_access, src/backend/utils/error/elog.c).
func markErrno(err error) error {
	for _, x := range [...]struct {
		err   error
		errno syscall.Errno
	}{
		{ErrNoMark, syscall.ENOENT}, {ErrMarkExists, syscall.EEXIST}, {ErrMarkName, syscall.EINVAL},
		{ErrTooManyMarks, syscall.ENOSPC}, {ErrOnDirectory, syscall.EROFS},
	} {
		if errors.Is(err, x.err) {
			return x.errno
		}
	}
	return err
}
