package runtime

// descriptorCalls work on open descriptors.
var descriptorCalls = map[string]hostFunc{
	"__syscall_dup":         posix(func(i *Instance, a args) (uint32, errno) { return i.dup(a.fd(0), 0) }),
	"__syscall_dup3":        posix(sysDup3),
	"__syscall_fcntl64":     posix(sysFcntl),
	"__syscall_ioctl":       posix(sysIoctl),
	"__syscall_pipe2":       posix(sysPipe2),
	"__syscall_ftruncate64": posix(sysFtruncate),
	"__syscall_fallocate":   posix(sysFallocate),
	"__syscall_fdatasync":   posix(func(i *Instance, a args) (uint32, errno) { return 0, i.sync(a.fd(0), true) }),
	"__syscall_fadvise64":   posix(sysFadvise),
}

func (i *Instance) dup(fd, min int) (uint32, errno) {
	d, e := i.fds.get(fd)
	if e != 0 {
		return 0, e
	}
	return i.fds.add(d, min)
}

// sysDup3: dup3(old, new, flags).
func sysDup3(i *Instance, a args) (uint32, errno) {
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return 0, e
	}
	to := a.fd(1)
	if to == a.fd(0) {
		return 0, eINVAL
	}
	if to < 0 || to >= maxFDs {
		return 0, eBADF
	}
	if _, e := i.fds.get(to); e == 0 {
		_ = i.fds.close(to) // dup2(2): errors of the close are lost
	}
	return i.fds.add(d, to)
}

// sysFcntl: fcntl64(fd, command, varargs*).
func sysFcntl(i *Instance, a args) (uint32, errno) {
	const (
		fDUPFD, fGETFD, fSETFD, fGETFL, fSETFL = 0, 1, 2, 3, 4
		fGETLK, fSETLK, fSETLKW                = 12, 13, 14
		fDUPFDCLOEXEC                          = 1030
		fUNLCK                                 = 2
	)
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return 0, e
	}
	switch a.u32(1) {
	case fDUPFD, fDUPFDCLOEXEC:
		return i.dup(a.fd(0), int(i.Uint32(a.u32(2))))
	case fGETFD, fSETFD: // close-on-exec: nothing is ever executed
		return 0, 0
	case fGETFL:
		return d.flags &^ (oCREAT | oEXCL | oTRUNC), 0
	case fSETFL:
		d.flags = d.flags&^oAPPEND | i.Uint32(a.u32(2))&oAPPEND
		return 0, 0
	case fGETLK: // no other process: nothing is locked (l_type i16@0)
		b := i.Bytes(i.Uint32(a.u32(2)), 2)
		b[0], b[1] = fUNLCK, 0
		return 0, 0
	case fSETLK, fSETLKW:
		return 0, 0
	}
	return 0, eINVAL
}

// sysIoctl: no descriptor is a terminal.
func sysIoctl(i *Instance, a args) (uint32, errno) {
	if _, e := i.fds.get(a.fd(0)); e != 0 {
		return 0, e
	}
	return 0, eNOTTY
}

// sysPipe2: pipe2(fds*, flags).
func sysPipe2(i *Instance, a args) (uint32, errno) {
	p := &pipe{}
	r, e := i.fds.add(&description{name: "pipe", pipe: p}, 0)
	if e != 0 {
		return 0, e
	}
	w, e := i.fds.add(&description{name: "pipe", flags: oWRONLY, pipe: p}, 0)
	if e != 0 {
		_ = i.fds.close(int(r))
		return 0, e
	}
	i.PutUint32(a.u32(0), r)
	i.PutUint32(a.u32(0)+4, w)
	return 0, 0
}

// sysFtruncate: ftruncate64(fd, size).
func sysFtruncate(i *Instance, a args) (uint32, errno) {
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return 0, e
	}
	if d.file == nil || a.i64(1) < 0 {
		return 0, eINVAL
	}
	return 0, errnoOf(d.file.Truncate(a.i64(1)))
}

// sysFallocate: fallocate(fd, mode, offset, length); of the modes only 0,
// which is posix_fallocate.
func sysFallocate(i *Instance, a args) (uint32, errno) {
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return 0, e
	}
	if d.file == nil || a.u32(1) != 0 {
		return 0, eNOTSUP
	}
	if a.i64(2) < 0 || a.i64(3) <= 0 {
		return 0, eINVAL
	}
	return 0, errnoOf(d.file.Allocate(a.i64(2), a.i64(3)))
}

// sync is fsync and fdatasync. Waiting for the disk is Process.Blocking's.
func (i *Instance) sync(fd int, dataOnly bool) errno {
	d, e := i.fds.get(fd)
	if e != 0 {
		return e
	}
	if d.file == nil {
		return eINVAL
	}
	do := d.file.Sync
	if dataOnly {
		do = d.file.Datasync
	}
	if i.Blocking == nil {
		return errnoOf(do())
	}
	var err error
	i.Blocking(func() { err = do() })
	return errnoOf(err)
}

// sysFadvise: advice needs no following (posix_fadvise(2)).
func sysFadvise(i *Instance, a args) (uint32, errno) {
	_, e := i.fds.get(a.fd(0))
	return 0, e
}
