package vfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

func TestErrno(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{syscall.ENOSPC, syscall.ENOSPC},
		{fmt.Errorf("write: %w", syscall.ENOSPC), syscall.ENOSPC},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ELOOP}, syscall.ELOOP},
		{fs.ErrNotExist, syscall.ENOENT},
		{os.ErrExist, syscall.EEXIST},
		{fs.ErrPermission, syscall.EPERM},
		{errors.New("something"), syscall.EIO},
	} {
		if got := vfs.Errno(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
