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

// Writer writes a snapshot. Its entries are written in the order of the calls: a
// folder before what is in it. After an error, or without Close, what was written
// is of no use.
type Writer struct {
	out    *summed
	chunks *bufio.Writer
	enc    *zstd.Encoder
	plain  *bufio.Writer
	buf    []byte
}

// NewWriter begins a snapshot of a program's files.
func NewWriter(w io.Writer, p Program) (*Writer, error) {
	s := &Writer{out: &summed{w: w, sum: sha256.New()}, buf: make([]byte, maxChunk)}
	head := append([]byte(magic), binary.LittleEndian.AppendUint32(nil, version)...)
	head = binary.LittleEndian.AppendUint32(append(head, p[:]...), kindTree)
	if _, err := s.out.Write(head); err != nil {
		return nil, err
	}
	s.chunks = bufio.NewWriterSize(chunkWriter{s.out}, maxChunk)
	var err error
	if s.enc, err = zstd.NewWriter(s.chunks, zstd.WithEncoderConcurrency(1)); err != nil {
		return nil, err
	}
	s.plain = bufio.NewWriterSize(s.enc, 64<<10)
	return s, nil
}

// Close ends the snapshot. It leaves the writer that it goes to open.
func (s *Writer) Close() error {
	end := []func() error{func() error { return s.plain.WriteByte(entryEnd) }, s.plain.Flush, s.enc.Close, s.chunks.Flush}
	for _, do := range end {
		if err := do(); err != nil {
			return err
		}
	}
	if _, err := s.out.Write(make([]byte, 8)); err != nil { // of the section's chunks, and kindEnd
		return err
	}
	_, err := s.out.w.Write(s.out.sum.Sum(nil))
	return err
}

// Write writes what is below root. Nothing may change there meanwhile, but for
// names that skip tells to leave out, by their path from root.
func Write(w io.Writer, p Program, tree vfs.FS, root string, skip func(name string) bool) error {
	s, err := NewWriter(w, p)
	if err != nil {
		return err
	}
	t := treeWriter{Writer: s, fs: tree, skip: skip}
	if err := t.folder(root, ""); err != nil {
		return err
	}
	return s.Close()
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

func (s *Writer) count(n uint64) error {
	_, err := s.plain.Write(binary.AppendUvarint(nil, n))
	return err
}

func (s *Writer) text(t string) error {
	if err := s.count(uint64(len(t))); err != nil {
		return err
	}
	_, err := s.plain.WriteString(t)
	return err
}

func (s *Writer) entry(typ byte, name string, perm fs.FileMode) error {
	return errors.Join(s.plain.WriteByte(typ), s.text(name), s.count(uint64(perm.Perm())))
}

// Folder adds a folder.
func (s *Writer) Folder(name string, perm fs.FileMode) error { return s.entry(entryFolder, name, perm) }

// Link adds a symbolic link.
func (s *Writer) Link(target, name string) error {
	return errors.Join(s.entry(entryLink, name, fs.ModePerm), s.text(target))
}

// File adds a file. read gives its bytes from an offset on, as many as there are
// and fit; what it does not give up to size is zeros.
func (s *Writer) File(name string, perm fs.FileMode, size int64, read func(p []byte, off int64) (int, error)) error {
	if size > MaxFile {
		return fmt.Errorf("%s: %d bytes, more than a file of a snapshot can have", name, size)
	}
	if err := errors.Join(s.entry(entryFile, name, perm), s.count(uint64(size))); err != nil {
		return err
	}
	end := int64(0) // of the run before
	for at := int64(0); at < size; {
		n, err := read(s.buf[:min(int64(len(s.buf)), size-at)], at)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		for _, r := range runs(s.buf[:n]) {
			if err := errors.Join(s.count(uint64(at+int64(r.from)-end)), s.count(uint64(r.to-r.from))); err != nil {
				return err
			}
			if _, err := s.plain.Write(s.buf[r.from:r.to]); err != nil {
				return err
			}
			end = at + int64(r.to)
		}
		at += int64(n)
	}
	return errors.Join(s.count(0), s.count(0))
}

// treeWriter adds what a file system has.
type treeWriter struct {
	*Writer
	fs   vfs.FS
	skip func(string) bool
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
		if err := t.add(name, rel); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (t *treeWriter) add(name, rel string) error {
	info, err := t.fs.Lstat(name)
	if err != nil {
		return err
	}
	switch info.Mode.Type() {
	case fs.ModeDir:
		if err := t.Folder(rel, info.Mode); err != nil {
			return err
		}
		return t.folder(name, rel)
	case 0:
		return t.file(name, rel, info)
	case fs.ModeSymlink:
		target, err := t.fs.Readlink(name)
		if err != nil {
			return err
		}
		return t.Link(target, rel)
	}
	return fmt.Errorf("neither folder, file nor symbolic link: %v", info.Mode)
}

func (t *treeWriter) file(name, rel string, info vfs.Info) (err error) {
	f, err := t.fs.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return t.Writer.File(rel, info.Mode, info.Size, f.ReadAt)
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
