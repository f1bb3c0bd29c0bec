package runtime

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// sideKey is the sha256 of a side module's file.
type sideKey [sha256.Size]byte

// sideModule is a shared library as every instance of a machine uses it. It is
// read, and compiled when its first instance can be linked, by whoever asks
// first; the others wait for that.
type sideModule struct {
	key     sideKey
	read    func() error                          // by sync.OnceValue; sets what follows
	compile func() (wazero.CompiledModule, error) // by sync.OnceValues
	info    *wasmfile.Module
	exports []string // its functions, in the file's order
}

// Bounds of what a side module may ask for, beyond what the format allows.
const (
	maxSideFile  = 256 << 20
	maxSideTable = 1 << 20 // entries
	maxSideAlign = 16      // exponent of 2: 64 KiB
)

// side gives the side module with these contents, read and not yet compiled.
func (m *Machine) side(b []byte) (*sideModule, error) {
	key := sideKey(sha256.Sum256(b))
	m.mu.Lock()
	s := m.sides[key]
	if s == nil {
		s = &sideModule{key: key}
		s.read = sync.OnceValue(func() error { return s.parse(m, b) })
		m.sides[key] = s
	}
	m.mu.Unlock()
	return s, s.read()
}

// knownSide gives a side module that an instance of this machine has linked.
func (m *Machine) knownSide(key sideKey) *sideModule {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sides[key]
}

func (s *sideModule) parse(m *Machine, b []byte) error {
	// Sealed, pgcrypto with its 1,412 GOT entries compiles in an eighth of the
	// time. Only amd64 needs selects of integers, but images and caches are to
	// be the same everywhere.
	b, err := wasmfile.Rewrite{SealGOT: true, IntegerSelect: true}.Apply(b)
	if err != nil {
		return err
	}
	info, err := wasmfile.Parse(b)
	if err != nil {
		return err
	}
	switch d := info.Dylink; {
	case d == nil:
		return fmt.Errorf("not a shared library")
	case d.TableSize > maxSideTable:
		return fmt.Errorf("wants %d table entries", d.TableSize)
	case d.MemAlign > maxSideAlign || d.TableAlign > maxSideAlign:
		return fmt.Errorf("wants an alignment of 2^%d", max(d.MemAlign, d.TableAlign))
	}
	for _, name := range info.ExportOrder {
		if _, ok := info.ExportedFunc(name); ok {
			s.exports = append(s.exports, name)
		}
	}
	s.info = info
	s.compile = sync.OnceValues(func() (wazero.CompiledModule, error) {
		// What is compiled serves every instance: the context is nobody's.
		ctx := experimental.WithCompilationWorkers(context.Background(), m.workers)
		code, err := m.wz.CompileModule(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("compile: %w", err)
		}
		return code, nil
	})
	return nil
}

// entry is the table entry, from the module's table base on, that its own
// element segments give to an exported function.
func (s *sideModule) entry(name string) (uint32, bool) {
	f, ok := s.info.ExportedFunc(name)
	if !ok {
		return 0, false
	}
	return s.info.TableIndex(f)
}

// ref names an exported function of the module for a helper module.
func (s *sideModule) ref(module, name string) wasmfile.FuncRef {
	f, _ := s.info.ExportedFunc(name)
	return wasmfile.FuncRef{Module: module, Name: name, Sig: s.info.FuncSig(f)}
}
