package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"

	"github.com/klauspost/compress/zstd"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// Version names the format.
const Version = "1"

const (
	magic   = "howdahim"
	version = 1

	kindEnd  = 0
	kindTree = 1

	entryEnd    = 0
	entryFolder = 1
	entryFile   = 2
	entryLink   = 3

	// maxChunk bounds what a reader holds of a section at a time.
	maxChunk = 1 << 20
	// grain is the unit in which zeros are left out, in bytes.
	grain = 4096
)

// Program names what the files belong to: the SHA-256 of its module.
type Program [sha256.Size]byte

// Write writes what is below root. Nothing may change there meanwhile, but for
// names that skip tells to leave out, by their path from root.
func Write(w io.Writer, p Program, tree vfs.FS, root string, skip func(name string) bool) error {
	sum := &summed{w: w, sum: sha256.New()}
	head := append([]byte(magic), binary.LittleEndian.AppendUint32(nil, version)...)
	if _, err := sum.Write(append(head, p[:]...)); err != nil {
		return err
	}
	if err := writeSection(sum, kindTree, func(w *bufio.Writer) error {
		t := treeWriter{w: w, fs: tree, skip: skip, buf: make([]byte, maxChunk)}
		if err := t.folder(root, ""); err != nil {
			return err
		}
		return w.WriteByte(entryEnd)
	}); err != nil {
		return err
	}
	if _, err := sum.Write(make([]byte, 4)); err != nil { // kindEnd
		return err
	}
	_, err := w.Write(sum.sum.Sum(nil))
	return err
}

// summed adds up what goes through it.
type summed struct {
	w   io.Writer
	sum hash.Hash
}

func (s *summed) Write(p []byte) (int, error) {
	s.sum.Write(p)
	return s.w.Write(p)
}

func writeSection(w io.Writer, kind uint32, content func(*bufio.Writer) error) error {
	if _, err := w.Write(binary.LittleEndian.AppendUint32(nil, kind)); err != nil {
		return err
	}
	chunks := bufio.NewWriterSize(chunkWriter{w}, maxChunk)
	enc, err := zstd.NewWriter(chunks, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	plain := bufio.NewWriterSize(enc, 64<<10)
	if err := content(plain); err != nil {
		return errors.Join(err, enc.Close())
	}
	for _, end := range [...]func() error{plain.Flush, enc.Close, chunks.Flush} {
		if err := end(); err != nil {
			return err
		}
	}
	_, err = w.Write(make([]byte, 4))
	return err
}

// chunkWriter writes each piece as a chunk.
type chunkWriter struct{ w io.Writer }

func (c chunkWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxChunk)
		if _, err := c.w.Write(binary.LittleEndian.AppendUint32(nil, uint32(n))); err != nil {
			return 0, err
		}
		if _, err := c.w.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

type treeWriter struct {
	w    *bufio.Writer
	fs   vfs.FS
	skip func(string) bool
	buf  []byte
}

func (t *treeWriter) count(n uint64) error {
	_, err := t.w.Write(binary.AppendUvarint(nil, n))
	return err
}

func (t *treeWriter) text(s string) error {
	if err := t.count(uint64(len(s))); err != nil {
		return err
	}
	_, err := t.w.WriteString(s)
	return err
}

// folder writes what is in dir, whose path from the root is rel.
func (t *treeWriter) folder(dir, rel string) error {
	f, err := t.fs.Open(dir, vfs.ReadOnly, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	entries, err := f.ReadDir()
	if err = errors.Join(err, f.Close()); err != nil {
		return &fs.PathError{Op: "read", Path: dir, Err: err}
	}
	for _, e := range entries {
		name, rel := path.Join(dir, e.Name), path.Join(rel, e.Name)
		if t.skip != nil && t.skip(rel) {
			continue
		}
		if err := t.entry(name, rel); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (t *treeWriter) entry(name, rel string) error {
	info, err := t.fs.Lstat(name)
	if err != nil {
		return err
	}
	begin := func(typ byte) error {
		return errors.Join(t.w.WriteByte(typ), t.text(rel), t.count(uint64(info.Mode.Perm())))
	}
	switch info.Mode.Type() {
	case fs.ModeDir:
		if err := begin(entryFolder); err != nil {
			return err
		}
		return t.folder(name, rel)
	case 0:
		if err := begin(entryFile); err != nil {
			return err
		}
		return t.content(name)
	case fs.ModeSymlink:
		target, err := t.fs.Readlink(name)
		if err != nil {
			return err
		}
		return errors.Join(begin(entryLink), t.text(target))
	}
	return fmt.Errorf("neither folder, file nor symbolic link: %v", info.Mode)
}

func (t *treeWriter) content(name string) (err error) {
	f, err := t.fs.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size > MaxFile {
		return fmt.Errorf("%d bytes, more than a file of a snapshot can have", info.Size)
	}
	if err := t.count(uint64(info.Size)); err != nil {
		return err
	}
	end := int64(0) // of the run before
	for at := int64(0); at < info.Size; {
		n, err := f.ReadAt(t.buf[:min(int64(len(t.buf)), info.Size-at)], at)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF // it has become shorter
		}
		for _, r := range runs(t.buf[:n]) {
			if err := errors.Join(t.count(uint64(at+int64(r.from)-end)), t.count(uint64(r.to-r.from))); err != nil {
				return err
			}
			if _, err := t.w.Write(t.buf[r.from:r.to]); err != nil {
				return err
			}
			end = at + int64(r.to)
		}
		at += int64(n)
	}
	return errors.Join(t.count(0), t.count(0))
}

type run struct{ from, to int }

// runs finds the grains of p that hold something, neighbours together.
func runs(p []byte) (all []run) {
	for at := 0; at < len(p); at += grain {
		end := min(at+grain, len(p))
		if bytes.Equal(p[at:end], zeros[:end-at]) {
			continue
		}
		if n := len(all); n > 0 && all[n-1].to == at {
			all[n-1].to = end
		} else {
			all = append(all, run{at, end})
		}
	}
	return all
}

var zeros [grain]byte
