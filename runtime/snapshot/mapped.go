package snapshot

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// MappedVersion names the mapped form.
const MappedVersion = "1"

const (
	mappedMagic   = "howdahmm"
	mappedVersion = 1
	mappedHead    = 8 + 4 + 4 + 8 + 2*32 + 3*8
	// mappedGrain is what contents that others map begin at a multiple of.
	mappedGrain = 64 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Mapped is the mapped form in memory. It is read-only.
type Mapped struct {
	State          []byte
	tree, contents []byte
}

// Frozen is what WriteMapped writes of a program beside its files. It appends what
// is to be mapped to b, whose length is a multiple of 64 KiB and where it will be in
// the file, and gives the rest as state.
type Frozen func(b []byte) (all, state []byte, err error)

// WriteMapped gives the mapped form of a program with all files of a tree. key is
// of whatever else it depends on.
func WriteMapped(p Program, key [32]byte, frozen Frozen, tree vfs.FS) ([]byte, error) {
	b, state, err := frozen(make([]byte, mappedGrain))
	if err != nil {
		return nil, err
	}
	w := mappedWriter{fs: tree, known: map[string]uint64{}}
	if err := w.folder("/"); err != nil {
		return nil, err
	}
	w.tree = append(w.tree, entryEnd)
	head := append(append([]byte(nil), mappedMagic...), make([]byte, 16)...)
	head = append(append(head, p[:]...), key[:]...)
	for _, section := range [][]byte{state, w.tree, w.contents} {
		head = binary.LittleEndian.AppendUint64(head, uint64(len(section)))
		b = append(b, section...)
	}
	copy(b, head)
	binary.LittleEndian.PutUint32(b[8:], mappedVersion)
	binary.LittleEndian.PutUint64(b[16:], uint64(len(b)))
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
	return b, nil
}

// OpenMapped finds the mapped form of program p in b, which must stay as it is.
func OpenMapped(b []byte, p Program, key [32]byte) (*Mapped, error) {
	le := binary.LittleEndian
	switch {
	case len(b) < mappedHead:
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrCorrupt, len(b))
	case string(b[:8]) != mappedMagic:
		return nil, fmt.Errorf("%w: it begins with %q", ErrFormat, b[:8])
	case le.Uint32(b[8:]) != mappedVersion:
		return nil, fmt.Errorf("%w: mapped, version %d, this reads %d", ErrFormat, le.Uint32(b[8:]), mappedVersion)
	case le.Uint64(b[16:]) != uint64(len(b)):
		return nil, fmt.Errorf("%w: it has %d bytes and should have %d", ErrCorrupt, len(b), le.Uint64(b[16:]))
	case le.Uint32(b[12:]) != crc32.Checksum(b[16:], castagnoli):
		return nil, fmt.Errorf("%w: its checksum differs", ErrCorrupt)
	}
	if of := b[24:56]; !bytes.Equal(of, p[:]) {
		return nil, fmt.Errorf("%w: of %s, this is %s", ErrProgram, hex.EncodeToString(of[:6]), hex.EncodeToString(p[:6]))
	}
	if !bytes.Equal(b[56:88], key[:]) {
		return nil, fmt.Errorf("%w: it was made in another way", ErrProgram)
	}
	rest := uint64(len(b)) - mappedHead
	var size [3]uint64
	for k := range size {
		if size[k] = le.Uint64(b[88+8*k:]); size[k] > rest {
			return nil, fmt.Errorf("%w: a section of %d bytes", ErrCorrupt, size[k])
		}
		rest -= size[k]
	}
	m := &Mapped{}
	m.contents, b = cutEnd(b, size[2])
	m.tree, b = cutEnd(b, size[1])
	m.State, _ = cutEnd(b, size[0])
	return m, nil
}

func cutEnd(b []byte, n uint64) (end, rest []byte) {
	at := uint64(len(b)) - n
	return b[at:], b[:at]
}

type mappedWriter struct {
	fs       vfs.FS
	tree     []byte
	contents []byte
	known    map[string]uint64 // where in contents something is
}

func (w *mappedWriter) folder(dir string) error {
	f, err := w.fs.Open(dir, vfs.ReadOnly, 0)
	if err != nil {
		return err
	}
	entries, err := f.ReadDir()
	if closing := f.Close(); err == nil {
		err = closing
	}
	for k := 0; k < len(entries) && err == nil; k++ {
		err = w.entry(path.Join(dir, entries[k].Name))
	}
	return err
}

func (w *mappedWriter) entry(name string) error {
	info, err := w.fs.Lstat(name)
	if err != nil {
		return err
	}
	begin := func(typ byte) {
		w.tree = binary.AppendUvarint(append(w.tree, typ), uint64(len(name)))
		w.tree = binary.AppendUvarint(append(w.tree, name...), uint64(info.Mode.Perm()))
	}
	switch info.Mode.Type() {
	case fs.ModeDir:
		begin(entryFolder)
		return w.folder(name)
	case fs.ModeSymlink:
		target, err := w.fs.Readlink(name)
		begin(entryLink)
		w.tree = append(binary.AppendUvarint(w.tree, uint64(len(target))), target...)
		return err
	case 0:
		begin(entryFile)
		return w.file(name, info.Size)
	}
	return fmt.Errorf("%s: no file, folder or symbolic link", name)
}

func (w *mappedWriter) file(name string, size int64) (err error) {
	f, err := w.fs.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		return err
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	data = bytes.TrimRight(data[:n], "\x00")
	at, ok := w.known[string(data)]
	if !ok {
		at = uint64(len(w.contents))
		w.contents = append(w.contents, data...)
		w.known[string(data)] = at
	}
	for _, n := range [...]uint64{uint64(size), at, uint64(len(data))} {
		w.tree = binary.AppendUvarint(w.tree, n)
	}
	return nil
}

// Files makes a tree of the files. It and its clones read the mapped form as long
// as they live; the caller closes it.
func (m *Mapped) Files() (*vfs.Memory, error) {
	tree := vfs.NewMemory(vfs.MemoryOptions{})
	r := mappedReader{Mapped: m, rest: m.tree, to: tree}
	err := r.entries()
	if err == nil && len(r.rest) > 0 {
		err = fmt.Errorf("%w: %d bytes behind the files", ErrCorrupt, len(r.rest))
	}
	if err != nil {
		tree.Close()
		return nil, err
	}
	return tree, nil
}

type mappedReader struct {
	*Mapped
	rest []byte // of the tree
	to   *vfs.Memory
	bad  bool
}

func (r *mappedReader) entries() error {
	for {
		if len(r.rest) == 0 {
			return fmt.Errorf("%w: its files have no end", ErrCorrupt)
		}
		typ := r.rest[0]
		r.rest = r.rest[1:]
		if typ == entryEnd {
			return nil
		}
		name, perm := r.text(), fs.FileMode(r.count(uint64(fs.ModePerm)))
		var err error
		switch typ {
		case entryFolder:
			err = r.to.Mkdir(name, perm)
		case entryLink:
			err = r.to.Symlink(r.text(), name)
		case entryFile:
			err = r.file(name, perm)
		default:
			r.bad = true
		}
		if r.bad {
			return fmt.Errorf("%w: an entry of its files", ErrCorrupt)
		}
		if err != nil {
			return failed("make", name, err)
		}
	}
}

func (r *mappedReader) file(name string, perm fs.FileMode) error {
	size := r.count(MaxFile)
	at := r.count(uint64(len(r.contents)))
	n := r.count(min(size, uint64(len(r.contents))-at))
	if r.bad {
		return nil
	}
	data := r.contents[at : at+n : at+n]
	if err := r.to.PutFile(name, perm, data); err != nil || n == size {
		return err
	}
	f, err := r.to.Open(name, vfs.WriteOnly, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(int64(size))
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}

func (r *mappedReader) count(most uint64) uint64 {
	n, used := binary.Uvarint(r.rest)
	if used <= 0 || n > most {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[used:]
	return n
}

func (r *mappedReader) text() string {
	n := r.count(min(maxText, uint64(len(r.rest))))
	if n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
