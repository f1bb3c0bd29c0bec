package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"syscall"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
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
	write  bool // what the guest stores belongs in the file
	pages  bool // it is the file's own, not a copy
}

// mmapFile: _mmap_js(length, prot, flags, fd, offset i64, allocated*, addr*).
// Files only; libc serves anonymous maps. A shared mapping of a file that has
// pages (vfs.Segmented) is those, all of them. Any other is a copy: a shared
// one that may be written is written back when it ends.
func mmapFile(i *Instance, a args) (uint32, errno) {
	const protWrite, mapShared = 2, 1
	d, e := i.fds.get(a.fd(3))
	if e != 0 {
		return 0, e
	}
	if d.file == nil {
		return 0, eNOTSUP
	}
	length, off := a.u32(0), a.i64(4)
	if length == 0 || length > math.MaxInt32 || off < 0 {
		return 0, eINVAL
	}
	write := a.u32(1)&protWrite != 0 && a.u32(2)&mapShared != 0
	if access := d.flags & oACCMODE; access == oWRONLY || write && access != oRDWR {
		return 0, eACCES
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
	m := mapping{d: d, off: off, length: length, write: write}
	if e := i.mapAt(p, size, &m, a.u32(2)&mapShared != 0); e != 0 {
		if _, err := i.Call("free", r); err != nil {
			panic(err)
		}
		return 0, e
	}
	d.refs++
	i.maps[p] = m
	i.PutUint32(a.u32(5), 1)
	i.PutUint32(a.u32(6), p)
	return 0, 0
}

// mapAt puts what m maps at p, where the guest has size bytes, in whole pages.
func (i *Instance) mapAt(p, size uint32, m *mapping, shared bool) errno {
	if f, ok := m.d.file.(vfs.Segmented); ok && shared {
		seg, err := f.Segment()
		switch {
		case vfs.Errno(err) == syscall.ENOTSUP: // no pages to map
		case err != nil:
			return errnoOf(err)
		case m.off != 0 || seg.Size() != uint64(size):
			return eINVAL // only all of it is mapped
		default:
			m.length, m.pages = size, true
			return errnoOf(i.mem.Map(p, seg))
		}
	}
	if err := i.mem.Discard(p, size); err != nil {
		clear(i.Bytes(p, size))
	}
	_, err := m.d.file.ReadAt(i.Bytes(p, m.length), m.off)
	return errnoOf(err)
}

// munmapFile: _munmap_js(addr, length, prot, flags, fd, offset i64). libc
// frees the memory, which by then must be the guest's alone again.
func munmapFile(i *Instance, a args) (uint32, errno) {
	if _, ok := i.maps[a.u32(0)]; !ok {
		return 0, eINVAL
	}
	return 0, errnoOf(i.unmap(a.u32(0)))
}

// unmap ends the mapping at p. The file keeps its size: what the guest stored
// beyond the end is lost, as with mmap(2).
func (i *Instance) unmap(p uint32) error {
	m := i.maps[p]
	delete(i.maps, p)
	var err error
	if m.pages {
		err = i.mem.Unmap(p, m.length)
	} else {
		err = i.writeBack(p, m)
	}
	return errors.Join(err, m.d.release())
}

func (i *Instance) writeBack(p uint32, m mapping) error {
	if !m.write {
		return nil
	}
	info, err := m.d.file.Stat()
	if err != nil {
		return err
	}
	n := min(int64(m.length), info.Size-m.off)
	if n <= 0 {
		return nil
	}
	_, err = m.d.file.WriteAt(i.Bytes(p, uint32(n)), m.off)
	return err
}

// MapZeros gives the guest n zeroed bytes at a multiple of align, from its own
// allocator and without touching the pages; 0 when there is no memory. It is
// what an anonymous mmap of many megabytes wants, which Emscripten's clears
// byte by byte. align is a power of 2, a page of the memory (64 KiB) or more.
func (i *Instance) MapZeros(n, align uint32) (uint32, error) {
	if align%linear.PageSize != 0 || align == 0 || align&(align-1) != 0 {
		return 0, fmt.Errorf("runtime: map zeros at a multiple of %d", align)
	}
	size := pages(n)
	if size > math.MaxInt32 {
		return 0, nil
	}
	p, err := i.Call("emscripten_builtin_memalign", uint64(align), size)
	if err != nil || p == 0 {
		return 0, err
	}
	return uint32(p), i.mem.Discard(uint32(p), uint32(size))
}

// pages rounds n up to whole pages of the memory, in bytes.
func pages(n uint32) uint64 {
	return (uint64(n) + linear.PageSize - 1) &^ (linear.PageSize - 1)
}

// Mapping is a file that the guest has mapped.
type Mapping struct {
	Addr, Length uint32 // the length is in whole pages when they are the file's own
	Path         string // as it was opened
}

// Mappings lists what the guest has mapped, by address.
func (i *Instance) Mappings() []Mapping {
	all := make([]Mapping, 0, len(i.maps))
	for p, m := range i.maps {
		all = append(all, Mapping{p, m.length, m.d.name})
	}
	slices.SortFunc(all, func(a, b Mapping) int { return cmp.Compare(a.Addr, b.Addr) })
	return all
}
