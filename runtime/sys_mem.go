package runtime

import (
	"math"

	"github.com/howdahdb/howdah/runtime/linear"
)

// memoryCalls grow the memory and map files into it.
var memoryCalls = map[string]hostFunc{
	"emscripten_get_heap_max": func(_ *Instance, s []uint64) { s[0] = maxMemoryPages * linear.PageSize },
	"emscripten_resize_heap":  resizeHeap,
	"_mmap_js":                posix(mmapFile),
	"_munmap_js":              posix(munmapFile),
}

// resizeHeap: emscripten_resize_heap(bytes) → 1 when the memory has grown. As
// Emscripten does, it asks for a fifth more than there is, to be asked less
// often (src/lib/libcore.js).
func resizeHeap(i *Instance, s []uint64) {
	want, have := uint64(uint32(s[0])), uint64(len(i.mem.Bytes()))
	const max = maxMemoryPages * linear.PageSize
	s[0] = 0
	if want > max {
		return
	}
	for _, size := range [...]uint64{min(have+have/5, max), want} {
		if size < want {
			continue
		}
		pages := (size - have + linear.PageSize - 1) / linear.PageSize
		if _, ok := i.main.Memory().Grow(uint32(pages)); ok {
			s[0] = 1
			return
		}
	}
}

// mapping is one file mapped into the memory.
type mapping struct {
	d      *description
	off    int64
	length uint32
	shared bool
}

// mmapFile: _mmap_js(length, prot, flags, fd, offset i64, allocated*, addr*).
// Files only; libc serves anonymous maps. A mapping is a copy: a shared one is
// written back when it is unmapped.
func mmapFile(i *Instance, a args) (uint32, errno) {
	const mapShared = 1
	d, e := i.fds.get(a.fd(3))
	if e != 0 {
		return 0, e
	}
	if d.file == nil {
		return 0, eNOTSUP
	}
	length, off := a.u32(0), a.i64(4)
	if length == 0 || length > math.MaxInt32 {
		return 0, eINVAL
	}
	size := (length + linear.PageSize - 1) &^ (linear.PageSize - 1)
	r, err := i.Call("emscripten_builtin_memalign", linear.PageSize, uint64(size))
	if err != nil {
		panic(err)
	}
	p := uint32(r)
	if p == 0 {
		return 0, eNOMEM
	}
	if err := i.mem.Discard(p, size); err != nil {
		clear(i.Bytes(p, size))
	}
	if _, err := d.file.ReadAt(i.Bytes(p, length), off); err != nil {
		return 0, errnoOf(err)
	}
	d.refs++
	i.maps[p] = mapping{d, off, length, a.u32(2)&mapShared != 0}
	i.PutUint32(a.u32(5), 1)
	i.PutUint32(a.u32(6), p)
	return 0, 0
}

// munmapFile: _munmap_js(addr, length, prot, flags, fd, offset i64). libc
// frees the memory.
func munmapFile(i *Instance, a args) (uint32, errno) {
	m, ok := i.maps[a.u32(0)]
	if !ok {
		return 0, eINVAL
	}
	delete(i.maps, a.u32(0))
	var err error
	if m.shared {
		_, err = m.d.file.WriteAt(i.Bytes(a.u32(0), m.length), m.off)
	}
	if cerr := m.d.release(); err == nil {
		err = cerr
	}
	return 0, errnoOf(err)
}

// MapZeros gives the guest n zeroed bytes at a 64 KiB boundary, from its own
// allocator and without touching the pages; 0 when there is no memory. It is
// what an anonymous mmap of many megabytes wants, which Emscripten's clears
// byte by byte.
func (i *Instance) MapZeros(n uint32) (uint32, error) {
	size := (n + linear.PageSize - 1) &^ (linear.PageSize - 1)
	p, err := i.Call("emscripten_builtin_memalign", linear.PageSize, uint64(size))
	if err != nil || p == 0 {
		return 0, err
	}
	return uint32(p), i.mem.Discard(uint32(p), size)
}
