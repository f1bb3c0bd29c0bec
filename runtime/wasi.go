package runtime

import (
	"encoding/binary"
	"time"
)

// wasiCalls are the functions of wasi_snapshot_preview1
// (https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md) as
// far as Emscripten's libc uses them. They return an errno.
var wasiCalls = map[string]hostFunc{
	"environ_sizes_get": wasi(wasiEnvironSizes),
	"environ_get":       wasi(wasiEnviron),
	"clock_time_get":    wasi(wasiClockTime),
	"random_get":        wasi(wasiRandom),
	"proc_exit":         exit,
	"fd_close":          wasi(func(i *Instance, a args) errno { return i.fds.close(a.fd(0)) }),
	"fd_sync":           wasi(func(i *Instance, a args) errno { return i.sync(a.fd(0), false) }),
	"fd_fdstat_get":     wasi(wasiFdstat),
	"fd_seek":           wasi(wasiSeek),
	"fd_read":           wasi(func(i *Instance, a args) errno { return i.transfer(a, false, false) }),
	"fd_write":          wasi(func(i *Instance, a args) errno { return i.transfer(a, true, false) }),
	"fd_pread":          wasi(func(i *Instance, a args) errno { return i.transfer(a, false, true) }),
	"fd_pwrite":         wasi(func(i *Instance, a args) errno { return i.transfer(a, true, true) }),
}

func wasi(f func(i *Instance, a args) errno) hostFunc {
	return func(i *Instance, s []uint64) { s[0] = uint64(f(i, s)) }
}

// wasiEnvironSizes: environ_sizes_get(count*, bytes*).
func wasiEnvironSizes(i *Instance, a args) errno {
	n := 0
	for _, e := range i.Env {
		n += len(e) + 1
	}
	i.PutUint32(a.u32(0), uint32(len(i.Env)))
	i.PutUint32(a.u32(1), uint32(n))
	return 0
}

// wasiEnviron: environ_get(pointers*, bytes*).
func wasiEnviron(i *Instance, a args) errno {
	ptr, buf := a.u32(0), a.u32(1)
	for _, e := range i.Env {
		i.PutUint32(ptr, buf)
		b := i.Bytes(buf, uint32(len(e)+1))
		b[copy(b, e)] = 0
		ptr += 4
		buf += uint32(len(e) + 1)
	}
	return 0
}

// wasiClockTime: clock_time_get(clock, precision, time*), in nanoseconds.
func wasiClockTime(i *Instance, a args) errno {
	const realtime = 0
	var t int64
	if a.u32(0) == realtime {
		t = time.Now().UnixNano()
	} else {
		t = time.Since(i.start).Nanoseconds()
	}
	i.PutUint64(a.u32(2), uint64(t))
	return 0
}

func wasiRandom(i *Instance, a args) errno {
	readRandom(i, i.Bytes(a.u32(0), a.u32(1)))
	return 0
}

// wasiFdstat: fd_fdstat_get(fd, fdstat*), 24 bytes, the file type at 0.
func wasiFdstat(i *Instance, a args) errno {
	const charDevice, directory, regular = 2, 3, 4
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return e
	}
	b := i.Bytes(a.u32(1), 24)
	clear(b)
	b[0] = charDevice
	if d.file != nil {
		info, err := d.file.Stat()
		if err != nil {
			return errnoOf(err)
		}
		b[0] = regular
		if info.Mode.IsDir() {
			b[0] = directory
		}
	}
	return 0
}

// wasiSeek: fd_seek(fd, offset, whence, position*). Seeking a directory to 0
// rewinds it; its positions count entries.
func wasiSeek(i *Instance, a args) errno {
	const set, cur, end = 0, 1, 2
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return e
	}
	if d.file == nil {
		return eSPIPE
	}
	off := a.i64(1)
	switch a.u32(2) {
	case set:
	case cur:
		off += d.off
	case end:
		info, err := d.file.Stat()
		if err != nil {
			return errnoOf(err)
		}
		off += info.Size
	default:
		return eINVAL
	}
	if off < 0 {
		return eINVAL
	}
	d.off = off
	i.PutUint64(a.u32(3), uint64(off))
	return 0
}

// transfer is fd_read, fd_write (fd, iovecs*, count, n*) and fd_pread,
// fd_pwrite (fd, iovecs*, count, offset, n*). An iovec is pointer u32, length
// u32; one of length zero may come first.
func (i *Instance) transfer(a args, write, at bool) errno {
	d, e := i.fds.get(a.fd(0))
	if e != 0 {
		return e
	}
	iov, count, result := a.u32(1), a.u32(2), a.u32(3)
	off := d.off
	if at {
		off, result = a.i64(3), a.u32(4)
		if d.file == nil {
			return eSPIPE
		}
		if off < 0 {
			return eINVAL
		}
	} else if write && d.flags&oAPPEND != 0 && d.file != nil {
		info, err := d.file.Stat()
		if err != nil {
			return errnoOf(err)
		}
		off = info.Size
	}
	total := uint32(0)
	for k := range count {
		v := i.Bytes(iov+8*k, 8)
		n := binary.LittleEndian.Uint32(v[4:])
		if n == 0 {
			continue
		}
		p := i.Bytes(binary.LittleEndian.Uint32(v), n)
		var done int
		if write {
			done, e = i.write(d, p, off)
		} else {
			done, e = i.read(d, p, off)
		}
		total += uint32(done)
		off += int64(done)
		if e != 0 || done < len(p) {
			break
		}
	}
	if e != 0 && total == 0 {
		return e
	}
	if !at {
		d.off = off
	}
	i.PutUint32(result, total)
	if write && d.file != nil && i.Wrote != nil {
		i.Wrote()
	}
	return 0
}

func (i *Instance) read(d *description, p []byte, off int64) (int, errno) {
	switch {
	case d.file != nil:
		n, err := d.file.ReadAt(p, off)
		return n, errnoOf(err)
	case d.dev != nil:
		return d.dev.read(i, p), 0
	}
	if d.flags&oACCMODE == oWRONLY {
		return 0, eBADF
	}
	n := copy(p, d.pipe.buf)
	d.pipe.buf = d.pipe.buf[n:]
	return n, 0
}

func (i *Instance) write(d *description, p []byte, off int64) (int, errno) {
	switch {
	case d.file != nil:
		n, err := d.file.WriteAt(p, off)
		return n, errnoOf(err)
	case d.dev != nil:
		d.dev.write(i, p)
		return len(p), 0
	}
	if d.flags&oACCMODE != oWRONLY {
		return 0, eBADF
	}
	if len(d.pipe.buf)+len(p) > maxPipe {
		return 0, eAGAIN
	}
	d.pipe.buf = append(d.pipe.buf, p...)
	return len(p), 0
}
