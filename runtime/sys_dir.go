package runtime

import (
	"encoding/binary"
	"io/fs"
	"path"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// directoryCalls change and list directories.
var directoryCalls = map[string]hostFunc{
	"__syscall_mkdirat":    posix(sysMkdirat),
	"__syscall_rmdir":      posix(func(i *Instance, a args) (uint32, errno) { return i.remove(atFDCWD, a.u32(0), true) }),
	"__syscall_unlinkat":   posix(sysUnlinkat),
	"__syscall_renameat":   posix(sysRenameat),
	"__syscall_linkat":     posix(sysLinkat),
	"__syscall_symlinkat":  posix(sysSymlinkat),
	"__syscall_readlinkat": posix(sysReadlinkat),
	"__syscall_chdir":      posix(sysChdir),
	"__syscall_getcwd":     posix(sysGetcwd),
	"__syscall_getdents64": posix(sysGetdents),
}

func sysMkdirat(i *Instance, a args) (uint32, errno) {
	p, e := i.abs(a.i32(0), i.String(a.u32(1)))
	if e != 0 {
		return 0, e
	}
	return 0, errnoOf(i.FS.Mkdir(p, fs.FileMode(a.u32(2)&^i.umask&0o777)))
}

func (i *Instance) remove(dirfd int32, name uint32, dir bool) (uint32, errno) {
	p, e := i.abs(dirfd, i.String(name))
	if e != 0 {
		return 0, e
	}
	if dir {
		return 0, errnoOf(i.FS.Rmdir(p))
	}
	return 0, errnoOf(i.FS.Unlink(p))
}

func sysUnlinkat(i *Instance, a args) (uint32, errno) {
	const atRemovedir = 0x200
	return i.remove(a.i32(0), a.u32(1), a.u32(2)&atRemovedir != 0)
}

// pair reads the two paths of renameat and linkat: (dirfd, path, dirfd, path).
func (i *Instance) pair(a args) (from, to string, e errno) {
	if from, e = i.abs(a.i32(0), i.String(a.u32(1))); e == 0 {
		to, e = i.abs(a.i32(2), i.String(a.u32(3)))
	}
	return from, to, e
}

func sysRenameat(i *Instance, a args) (uint32, errno) {
	from, to, e := i.pair(a)
	if e != 0 {
		return 0, e
	}
	return 0, errnoOf(i.FS.Rename(from, to))
}

func sysLinkat(i *Instance, a args) (uint32, errno) {
	from, to, e := i.pair(a)
	if e != 0 {
		return 0, e
	}
	return 0, errnoOf(i.FS.Link(from, to))
}

// sysSymlinkat: symlinkat(target, dirfd, path).
func sysSymlinkat(i *Instance, a args) (uint32, errno) {
	p, e := i.abs(a.i32(1), i.String(a.u32(2)))
	if e != 0 {
		return 0, e
	}
	return 0, errnoOf(i.FS.Symlink(i.String(a.u32(0)), p))
}

// sysReadlinkat: readlinkat(dirfd, path, buf, size).
func sysReadlinkat(i *Instance, a args) (uint32, errno) {
	p, e := i.abs(a.i32(0), i.String(a.u32(1)))
	if e != 0 {
		return 0, e
	}
	target, err := i.FS.Readlink(p)
	if err != nil {
		return 0, errnoOf(err)
	}
	return uint32(copy(i.Bytes(a.u32(2), a.u32(3)), target)), 0
}

func sysChdir(i *Instance, a args) (uint32, errno) {
	p, e := i.abs(atFDCWD, i.String(a.u32(0)))
	if e != 0 {
		return 0, e
	}
	info, err := i.FS.Stat(p)
	if err != nil {
		return 0, errnoOf(err)
	}
	if !info.Mode.IsDir() {
		return 0, eNOTDIR
	}
	i.cwd = p
	return 0, 0
}

func sysGetcwd(i *Instance, a args) (uint32, errno) {
	n := uint32(len(i.cwd) + 1)
	if a.u32(1) < n {
		return 0, eRANGE
	}
	b := i.Bytes(a.u32(0), n)
	b[copy(b, i.cwd)] = 0
	return n, 0
}

// direntSize is Emscripten's struct dirent, and d_reclen of every entry:
// ino u64@0, next position u64@8, reclen u16@16, type u8@18, name@19.
const direntSize = 280

// sysGetdents: getdents64(fd, buf, size). The position counts entries, "."
// and ".." first; the listing is the one that was taken at position 0.
func sysGetdents(i *Instance, a args) (uint32, errno) {
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return 0, e
	}
	if d.file == nil {
		return 0, eNOTDIR
	}
	if d.off == 0 || d.list == nil {
		list, err := d.file.ReadDir()
		if err != nil {
			return 0, errnoOf(err)
		}
		info, err := d.file.Stat()
		if err != nil {
			return 0, errnoOf(err)
		}
		self := vfs.Entry{Name: ".", Ino: info.Ino, Type: fs.ModeDir}
		up := vfs.Entry{Name: "..", Ino: info.Ino, Type: fs.ModeDir}
		if pi, err := i.FS.Stat(path.Dir(d.name)); err == nil {
			up.Ino = pi.Ino
		}
		d.list = append([]vfs.Entry{self, up}, list...)
	}
	buf := i.Bytes(a.u32(1), a.u32(2))
	if len(buf) < direntSize {
		return 0, eINVAL
	}
	n := 0
	for ; d.off < int64(len(d.list)) && n+direntSize <= len(buf); n += direntSize {
		x := d.list[d.off]
		d.off++
		b := buf[n : n+direntSize]
		clear(b)
		binary.LittleEndian.PutUint64(b, x.Ino)
		binary.LittleEndian.PutUint64(b[8:], uint64(d.off))
		binary.LittleEndian.PutUint16(b[16:], direntSize)
		b[18] = byte(posixMode(x.Type) >> 12) // DT_* is the file type of st_mode
		copy(b[19:direntSize-1], x.Name)
	}
	return uint32(n), 0
}
