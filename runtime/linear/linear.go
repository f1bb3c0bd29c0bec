// Package linear reserves the address space of a WebAssembly linear memory.
//
// The whole maximum is reserved once and paged in by use, so that growing
// never copies and the base never moves: hosts may map images and shared
// segments over parts of it, and pointers into it stay valid until Free.
//
// A [Segment] can be part of several memories: the same pages of the machine
// stand in each of them at an offset, as in the processes of one server.
package linear

import (
	"errors"
	"sync/atomic"
	"unsafe"
)

// PageSize is the unit in which [Memory.Discard] works and a WebAssembly
// memory grows, in bytes.
const PageSize = 65536

// Memory is one reservation. It implements wazero's
// experimental.LinearMemory. Which goroutine may touch its bytes is the
// business of whoever runs the guest; only [Memory.StoreUint32],
// [Memory.LoadUint32] and [Memory.Resident] may be used beside a running guest.
// All other methods belong to the goroutine that runs it.
type Memory struct {
	reserved []byte        // length: the maximum
	size     atomic.Uint64 // what the guest has grown to
	mapped   []mapping     // what is mapped where, without overlap
}

// Reserve reserves max bytes of zeros.
func Reserve(max uint64) (*Memory, error) {
	b, err := reserve(max)
	if err != nil {
		return nil, err
	}
	return &Memory{reserved: b}, nil
}

// Reallocate makes the first size bytes usable and returns them, nil beyond
// the reservation.
func (m *Memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.reserved)) || commit(m.reserved, m.size.Load(), size) != nil {
		return nil
	}
	m.size.Store(size)
	return m.reserved[:size:len(m.reserved)]
}

// Bytes is the memory as far as the guest has grown it.
func (m *Memory) Bytes() []byte { return m.reserved[:m.size.Load()] }

// Discard makes n bytes at off zero and gives their pages back to the
// operating system. Both must be multiples of [PageSize]. Bytes of a segment
// are refused: they are not this Memory's alone.
func (m *Memory) Discard(off, n uint32) error {
	r := span{uint64(off), uint64(off) + uint64(n)}
	imaged := false
	for _, x := range m.mapped {
		if x.from < r.to && r.from < x.to {
			if !x.image {
				return errors.New("discard memory of a shared segment")
			}
			imaged = true
		}
	}
	if !imaged {
		return discard(m.bytes(r))
	}
	if err := mapPrivate(m.bytes(r)); err != nil {
		return err
	}
	m.forget(r)
	return nil
}

// Trim gives pages back to the operating system that were touched and hold
// nothing but zeros, and returns how many bytes they are; the contents stay
// the same. It leaves alone segments, which others may use, and what an image
// has brought; nothing may use the rest of the memory meanwhile.
func (m *Memory) Trim() (freed int) {
	for _, r := range m.private(span{0, m.size.Load()}) {
		freed += trim(m.bytes(r))
	}
	return freed
}

// StoreUint32 stores v at a 4-byte aligned address, atomically.
func (m *Memory) StoreUint32(addr, v uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&m.reserved[addr])), v)
}

// LoadUint32 loads from a 4-byte aligned address, atomically.
func (m *Memory) LoadUint32(addr uint32) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&m.reserved[addr])))
}

// Free gives the reservation back. Nothing may use the memory any more.
func (m *Memory) Free() {
	if m.reserved != nil {
		release(m.reserved)
		m.reserved, m.mapped = nil, nil
		m.size.Store(0)
	}
}
