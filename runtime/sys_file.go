package runtime

import (
	"encoding/binary"
	"io/fs"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// fileCalls open, name and describe files.
var fileCalls = map[string]hostFunc{
	"__syscall_openat":     posix(sysOpenat),
	"__syscall_stat64":     posix(func(i *Instance, a args) (uint32, errno) { return i.stat(atFDCWD, a.u32(0), a.u32(1), true) }),
	"__syscall_lstat64":    posix(func(i *Instance, a args) (uint32, errno) { return i.stat(atFDCWD, a.u32(0), a.u32(1), false) }),
	"__syscall_newfstatat": posix(sysFstatat),
	"__syscall_fstat64":    posix(sysFstat),
	"__syscall_faccessat":  posix(sysFaccessat),
	"__syscall_chmod":      posix(func(i *Instance, a args) (uint32, errno) { return i.chmod(atFDCWD, a.u32(0), a.u32(1)) }),
	"__syscall_fchmodat2":  posix(func(i *Instance, a args) (uint32, errno) { return i.chmod(a.i32(0), a.u32(1), a.u32(2)) }),
	"__syscall_fchmod":     posix(sysFchmod),
	"__syscall_fchown32":   posix(sysFchown),
	"__syscall_fchownat":   posix(sysFchownat),
	"__syscall_utimensat":  posix(sysUtimensat),
	"__syscall_truncate64": posix(sysTruncate),
	"__syscall_statfs64":   posix(sysStatfs),
}

// sysOpenat: openat(dirfd, path, flags, varargs*), the mode is the first of
// the varargs.
func sysOpenat(i *Instance, a args) (uint32, errno) {
	name, e := i.abs(a.i32(0), i.String(a.u32(1)))
	if e != 0 {
		return 0, e
	}
	flags := a.u32(2)
	d := &description{name: name, flags: flags}
	if d.dev = deviceAt(name); d.dev != nil {
		if flags&(oCREAT|oEXCL) == oCREAT|oEXCL {
			return 0, eEXIST
		}
		return i.fds.add(d, 0)
	}
	var mode uint32
	if p := a.u32(3); flags&oCREAT != 0 && p != 0 {
		mode = i.Uint32(p) &^ i.umask
	}
	f, err := i.FS.Open(name, hostFlags(flags), fs.FileMode(mode&0o777))
	if err != nil {
		return 0, errnoOf(err)
	}
	d.file = f
	if flags&oDIRECTORY != 0 {
		if info, err := f.Stat(); err != nil || !info.Mode.IsDir() {
			_ = f.Close()
			return 0, eNOTDIR
		}
	}
	fd, e := i.fds.add(d, 0)
	if e != 0 {
		_ = f.Close()
	}
	return fd, e
}

// hostFlags turns Linux' open flags into those of the host's own.
func hostFlags(flags uint32) int {
	f := vfs.ReadOnly
	switch flags & oACCMODE {
	case oWRONLY:
		f = vfs.WriteOnly
	case oRDWR:
		f = vfs.ReadWrite
	}
	for _, x := range [...]struct {
		guest uint32
		host  int
	}{{oCREAT, vfs.Create}, {oEXCL, vfs.Exclusive}, {oTRUNC, vfs.Truncate}} {
		if flags&x.guest != 0 {
			f |= x.host
		}
	}
	return f
}

// stat(path, buf) and its variants.
func (i *Instance) stat(dirfd int32, name, buf uint32, follow bool) (uint32, errno) {
	p, e := i.abs(dirfd, i.String(name))
	if e != 0 {
		return 0, e
	}
	if dev := deviceAt(p); dev != nil {
		i.putStat(buf, dev.info())
		return 0, 0
	}
	look := i.FS.Lstat
	if follow {
		look = i.FS.Stat
	}
	info, err := look(p)
	if err != nil {
		return 0, errnoOf(err)
	}
	i.putStat(buf, info)
	return 0, 0
}

// sysFstatat: newfstatat(dirfd, path, buf, flags).
func sysFstatat(i *Instance, a args) (uint32, errno) {
	const atSymlinkNofollow, atEmptyPath = 0x100, 0x1000
	if a.u32(3)&atEmptyPath != 0 && i.String(a.u32(1)) == "" {
		return sysFstat(i, args{a[0], a[2]})
	}
	return i.stat(a.i32(0), a.u32(1), a.u32(2), a.u32(3)&atSymlinkNofollow == 0)
}

func sysFstat(i *Instance, a args) (uint32, errno) {
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return 0, e
	}
	info := vfs.Info{Mode: fs.ModeNamedPipe | 0o600, Nlink: 1}
	switch {
	case d.file != nil:
		var err error
		if info, err = d.file.Stat(); err != nil {
			return 0, errnoOf(err)
		}
	case d.dev != nil:
		info = d.dev.info()
	}
	i.putStat(a.u32(1), info)
	return 0, 0
}

// putStat writes struct stat (96 bytes) of Emscripten's musl:
//
//	dev u32@0 mode u32@4 nlink u32@8 uid u32@12 gid u32@16 rdev u32@20
//	size i64@24 blksize i32@32 blocks i32@36
//	atime i64@40 ns u32@48, mtime @56 @64, ctime @72 @80, ino u64@88
func (i *Instance) putStat(p uint32, info vfs.Info) {
	b := i.Bytes(p, 96)
	clear(b)
	le := binary.LittleEndian
	le.PutUint32(b[0:], 1)
	le.PutUint32(b[4:], posixMode(info.Mode))
	le.PutUint32(b[8:], info.Nlink)
	le.PutUint64(b[24:], uint64(info.Size))
	le.PutUint32(b[32:], 4096)
	le.PutUint32(b[36:], uint32((info.Size+511)/512))
	for _, o := range [...]int{40, 56, 72} {
		le.PutUint64(b[o:], uint64(info.Mtime.Unix()))
		le.PutUint32(b[o+8:], uint32(info.Mtime.Nanosecond()))
	}
	le.PutUint64(b[88:], info.Ino)
}

// posixMode is st_mode.
func posixMode(m fs.FileMode) uint32 {
	p := uint32(m.Perm())
	switch {
	case m.IsDir():
		return p | 0o040000
	case m&fs.ModeSymlink != 0:
		return p | 0o120000
	case m&fs.ModeCharDevice != 0:
		return p | 0o020000
	case m&fs.ModeNamedPipe != 0:
		return p | 0o010000
	}
	return p | 0o100000
}

// sysFaccessat: faccessat(dirfd, path, mode, flags). The guest is root
// everywhere (its uid is 0), so that what exists is accessible.
func sysFaccessat(i *Instance, a args) (uint32, errno) {
	p, e := i.abs(a.i32(0), i.String(a.u32(1)))
	if e != 0 || deviceAt(p) != nil {
		return 0, e
	}
	_, err := i.FS.Stat(p)
	return 0, errnoOf(err)
}

func (i *Instance) chmod(dirfd int32, name, mode uint32) (uint32, errno) {
	p, e := i.abs(dirfd, i.String(name))
	if e != 0 {
		return 0, e
	}
	return 0, errnoOf(i.FS.Chmod(p, fs.FileMode(mode&0o777)))
}

func sysFchmod(i *Instance, a args) (uint32, errno) {
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return 0, e
	}
	if d.file == nil {
		return 0, eINVAL
	}
	return 0, errnoOf(d.file.Chmod(fs.FileMode(a.u32(1) & 0o777)))
}

// Owners are not kept: every file belongs to the guest's only user. Changing
// an owner to that user succeeds, any other is refused.
func chown(uid, gid int32) errno {
	if (uid != 0 && uid != -1) || (gid != 0 && gid != -1) {
		return ePERM
	}
	return 0
}

func sysFchown(i *Instance, a args) (uint32, errno) {
	if _, e := i.fds.get(a.fd(0)); e != 0 {
		return 0, e
	}
	return 0, chown(a.i32(1), a.i32(2))
}

func sysFchownat(i *Instance, a args) (uint32, errno) {
	p, e := i.abs(a.i32(0), i.String(a.u32(1)))
	if e != 0 {
		return 0, e
	}
	if _, err := i.FS.Lstat(p); err != nil {
		return 0, errnoOf(err)
	}
	return 0, chown(a.i32(2), a.i32(3))
}

// sysUtimensat: times are the file system's own and can't be set; Postgres
// never asks.
func sysUtimensat(*Instance, args) (uint32, errno) { return 0, eNOSYS }

// sysTruncate: truncate64(path, size).
func sysTruncate(i *Instance, a args) (uint32, errno) {
	p, e := i.abs(atFDCWD, i.String(a.u32(0)))
	if e != 0 {
		return 0, e
	}
	f, err := i.FS.Open(p, vfs.WriteOnly, 0)
	if err != nil {
		return 0, errnoOf(err)
	}
	err = f.Truncate(a.i64(1))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return 0, errnoOf(err)
}

// sysStatfs: statfs64(path, size, buf), struct statfs of 72 bytes:
//
//	bsize u32@4 blocks i64@8 bfree i64@16 bavail i64@24 files i64@32
//	ffree i64@40 fsid u32@48 namelen u32@56 frsize u32@60 flags u32@64
func sysStatfs(i *Instance, a args) (uint32, errno) {
	st, err := i.FS.Statfs()
	if err != nil {
		return 0, errnoOf(err)
	}
	const block = 4096
	b := i.Bytes(a.u32(2), 72)
	clear(b)
	le := binary.LittleEndian
	le.PutUint32(b[4:], block)
	le.PutUint64(b[8:], st.Total/block)
	le.PutUint64(b[16:], st.Free/block)
	le.PutUint64(b[24:], st.Available/block)
	le.PutUint64(b[32:], st.Files)
	le.PutUint64(b[40:], st.FilesFree)
	le.PutUint32(b[56:], 255)
	le.PutUint32(b[60:], block)
	return 0, 0
}
