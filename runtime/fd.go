package runtime

import (
	"crypto/rand"
	"io/fs"
	"path"
	"strings"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// description is an open file description of POSIX: what dup shares.
type description struct {
	name  string // absolute path at open
	flags uint32 // Linux open(2) flags
	off   int64
	refs  int
	file  vfs.File // nil for a device or a pipe
	dev   *device
	pipe  *pipe
	list  []vfs.Entry // directory listing, taken when it is read from the start
}

// Linux open(2) flags that the host looks at.
const (
	oWRONLY    = 0o1
	oRDWR      = 0o2
	oACCMODE   = 0o3
	oCREAT     = 0o100
	oEXCL      = 0o200
	oTRUNC     = 0o1000
	oAPPEND    = 0o2000
	oDIRECTORY = 0o200000
)

// maxFDs bounds a descriptor table: what Postgres may be configured to use,
// with room.
const maxFDs = 65536

// fdTable is the descriptor table of an instance.
type fdTable struct{ d []*description }

func (t *fdTable) init(i *Instance) {
	in := &description{name: "/dev/stdin", refs: 1, file: i.Stdin}
	if in.file == nil {
		in.dev = devices["null"]
	}
	t.d = []*description{
		in,
		{name: "/dev/stdout", flags: oWRONLY, refs: 1, dev: devices["stdout"]},
		{name: "/dev/stderr", flags: oWRONLY, refs: 1, dev: devices["stderr"]},
	}
}

func (t *fdTable) get(fd int) (*description, errno) {
	if fd < 0 || fd >= len(t.d) || t.d[fd] == nil {
		return nil, eBADF
	}
	return t.d[fd], 0
}

// add gives d the lowest free descriptor that is at least min.
func (t *fdTable) add(d *description, min int) (uint32, errno) {
	if min < 0 || min >= maxFDs {
		return 0, eINVAL
	}
	for len(t.d) < min {
		t.d = append(t.d, nil)
	}
	for fd := min; fd < len(t.d); fd++ {
		if t.d[fd] == nil {
			t.d[fd] = d
			d.refs++
			return uint32(fd), 0
		}
	}
	if len(t.d) >= maxFDs {
		return 0, eMFILE
	}
	t.d = append(t.d, d)
	d.refs++
	return uint32(len(t.d) - 1), 0
}

func (t *fdTable) close(fd int) errno {
	d, e := t.get(fd)
	if e != 0 {
		return e
	}
	t.d[fd] = nil
	return errnoOf(d.release())
}

func (t *fdTable) closeAll() {
	for fd, d := range t.d {
		if d != nil {
			t.d[fd] = nil
			_ = d.release()
		}
	}
}

func (d *description) release() error {
	if d.refs--; d.refs == 0 && d.file != nil {
		return d.file.Close()
	}
	return nil
}

// device is a character special file.
type device struct {
	ino   uint64
	read  func(i *Instance, p []byte) int
	write func(i *Instance, p []byte)
}

func readNothing(*Instance, []byte) int   { return 0 }
func writeNothing(*Instance, []byte)      {}
func readZeros(_ *Instance, p []byte) int { clear(p); return len(p) }
func readRandom(_ *Instance, p []byte) int {
	_, _ = rand.Read(p) // never fails (crypto/rand)
	return len(p)
}

func writeOut(i *Instance, p []byte) {
	if i.Stdout != nil {
		i.Stdout(p)
	}
}

func writeErr(i *Instance, p []byte) {
	if i.Stderr != nil {
		i.Stderr(p)
	}
}

// devices is /dev, but for the directory /dev/shm, which the file system has.
var devices = map[string]*device{
	"null":    {1, readNothing, writeNothing},
	"zero":    {2, readZeros, writeNothing},
	"random":  {3, readRandom, writeNothing},
	"urandom": {4, readRandom, writeNothing},
	"tty":     {5, readNothing, writeErr},
	"stdin":   {6, readNothing, writeNothing},
	"stdout":  {7, readNothing, writeOut},
	"stderr":  {8, readNothing, writeErr},
}

// deviceAt finds the device with an absolute path.
func deviceAt(name string) *device {
	if rest, ok := strings.CutPrefix(name, "/dev/"); ok {
		return devices[rest]
	}
	return nil
}

func (dev *device) info() vfs.Info {
	return vfs.Info{Ino: 1<<32 | dev.ino, Mode: fs.ModeDevice | fs.ModeCharDevice | 0o666, Nlink: 1}
}

// pipe is a pipe within one process: what was written and not yet read. A
// writer that would block has nobody to wait for, so beyond maxPipe it gets
// EAGAIN.
type pipe struct{ buf []byte }

const maxPipe = 65536

// abs makes a path absolute, relative to the directory that dirfd names
// (atFDCWD: the working directory).
func (i *Instance) abs(dirfd int32, name string) (string, errno) {
	if name == "" {
		return "", eNOENT
	}
	if len(name) == maxCString { // String found no end: this would be another path
		return "", eNAMETOOLON
	}
	if name[0] == '/' {
		return path.Clean(name), 0
	}
	if dirfd == atFDCWD {
		return path.Join(i.cwd, name), 0
	}
	d, e := i.fds.get(int(dirfd))
	if e != 0 {
		return "", e
	}
	return path.Join(d.name, name), 0
}

const atFDCWD = -100
