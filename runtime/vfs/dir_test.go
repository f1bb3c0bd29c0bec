//go:build linux || darwin

package vfs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestDirKeepsInside: neither names nor links that others put there lead out.
func TestDirKeepsInside(t *testing.T) {
	top := t.TempDir()
	inside := filepath.Join(top, "inside")
	must(t, os.Mkdir(inside, 0o700))
	must(t, os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o600))
	must(t, os.WriteFile(filepath.Join(inside, "file"), []byte("file"), 0o600))
	for name, target := range map[string]string{
		"out": "../secret", "absolute": filepath.Join(top, "secret"), "outdir": "..",
		"absolutefile": filepath.Join(inside, "file"), "good": "./file", "loop": "loop",
	} {
		must(t, os.Symlink(target, filepath.Join(inside, name)))
	}
	d, err := vfs.OpenDir(inside)
	must(t, err)
	defer d.Close()

	if got := content(t, d, "/good"); got != "file" {
		t.Errorf("a link inside reads %q", got)
	}
	if got := content(t, d, "/../../file"); got != "file" {
		t.Errorf("dots read %q", got)
	}
	open := func(name string, flag int) error {
		h, err := d.Open(name, flag, 0o600)
		if err == nil {
			h.Close()
		}
		return err
	}
	stat := func(name string) error { _, err := d.Stat(name); return err }
	for _, c := range []struct {
		call string
		got  error
		want syscall.Errno
	}{
		{"open", open("/out", vfs.ReadOnly), syscall.EPERM},
		{"create", open("/outdir/new", vfs.ReadWrite|vfs.Create), syscall.EPERM},
		{"truncate", open("/absolute", vfs.ReadWrite|vfs.Truncate), syscall.EPERM},
		{"absolute, though inside", open("/absolutefile", vfs.ReadOnly), syscall.EPERM},
		{"stat", stat("/out"), syscall.EPERM},
		{"chmod", d.Chmod("/out", 0o777), syscall.EPERM},
		{"mkdir", d.Mkdir("/outdir/new", 0o700), syscall.EPERM},
		{"unlink", d.Unlink("/outdir/secret"), syscall.EPERM},
		{"rmdir", d.Rmdir("/outdir/inside"), syscall.EPERM},
		{"rename from", d.Rename("/outdir/secret", "/x"), syscall.EPERM},
		{"rename to", d.Rename("/file", "/outdir/x"), syscall.EPERM},
		{"link from", d.Link("/outdir/secret", "/x"), syscall.EPERM},
		{"link to", d.Link("/file", "/outdir/x"), syscall.EPERM},
		{"syncdir", d.SyncDir("/outdir"), syscall.EPERM},
		{"symlink", d.Symlink("file", "/new"), syscall.EPERM},
		{"loop", stat("/loop"), syscall.ELOOP},
	} {
		if vfs.Errno(c.got) != c.want {
			t.Errorf("%s: %v, want %v", c.call, c.got, c.want)
		}
	}
	if got, err := d.Readlink("/out"); got != "../secret" || err != nil {
		t.Errorf("readlink: %q, %v", got, err)
	}
	must(t, d.Unlink("/out")) // the link, not what it leads to
	if got, err := os.ReadFile(filepath.Join(top, "secret")); string(got) != "secret" || err != nil {
		t.Errorf("outside: %q, %v", got, err)
	}
}

func TestDirRefuses(t *testing.T) {
	if _, err := vfs.OpenDir(filepath.Join(t.TempDir(), "none")); vfs.Errno(err) != syscall.ENOENT {
		t.Errorf("missing directory: %v", err)
	}
	host := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(host, "fifo"), 0o600); err != nil {
		t.Skip(err)
	}
	d, err := vfs.OpenDir(host)
	must(t, err)
	_, err = d.Open("/fifo", vfs.ReadWrite, 0) // does not block for a reader and writer
	wantErrno(t, "open of a fifo", err, syscall.EPERM)
	_, err = d.Open("/none/file", vfs.ReadOnly, 0)
	if vfs.Errno(err) != syscall.ENOENT || !strings.Contains(err.Error(), "none/file") {
		t.Errorf("error without its cause: %v", err)
	}
	must(t, d.Close())
	_, err = d.Stat("/")
	wantErrno(t, "stat after close", err, syscall.EBADF)
}
