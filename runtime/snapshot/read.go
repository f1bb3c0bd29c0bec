package snapshot

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/klauspost/compress/zstd"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// Why a snapshot is refused.
var (
	ErrCorrupt = errors.New("the snapshot is damaged")
	ErrFormat  = errors.New("not a snapshot that this version can read")
	ErrProgram = errors.New("the snapshot belongs to another program")
)

// Info is what a snapshot holds.
type Info struct {
	Version int
	Program Program
	Files   int
	Folders int
	Bytes   int64 // of all files together, zeros included
	Stored  int64 // length of the snapshot
}

// Read makes the files of a snapshot of program p below root, an empty folder
// of tree. After an error what tree holds is of no use.
func Read(r io.Reader, p Program, tree vfs.FS, root string) (Info, error) {
	return read(r, &p, &maker{fs: tree, root: root})
}

// Inspect reads a snapshot to its end and keeps nothing of it. A snapshot with
// Info and no error can be read again without one, given its program and the
// space.
func Inspect(r io.Reader) (Info, error) { return read(r, nil, nil) }

func read(r io.Reader, want *Program, m *maker) (Info, error) {
	in := &source{r: r, sum: sha256.New()}
	var info Info
	head := make([]byte, len(magic)+4+len(info.Program))
	if err := in.full(head); err != nil {
		return info, err
	}
	if string(head[:len(magic)]) != magic {
		return info, fmt.Errorf("%w: it begins with %q", ErrFormat, head[:len(magic)])
	}
	info.Version = int(binary.LittleEndian.Uint32(head[len(magic):]))
	if info.Version != version {
		return info, fmt.Errorf("%w: version %d, this reads %d", ErrFormat, info.Version, version)
	}
	copy(info.Program[:], head[len(magic)+4:])
	if want != nil && info.Program != *want {
		return info, fmt.Errorf("%w: of %s, this is %s", ErrProgram, hex.EncodeToString(info.Program[:6]), hex.EncodeToString(want[:6]))
	}
	for {
		kind, err := in.uint32()
		if err != nil {
			return info, err
		}
		if kind == kindEnd {
			break
		}
		if kind != kindTree {
			return info, fmt.Errorf("%w: a section of kind %d", ErrFormat, kind)
		}
		if err := readSection(in, func(r *bufio.Reader) error { return (&treeReader{r: r, to: m, info: &info}).tree() }); err != nil {
			return info, err
		}
	}
	got := in.sum.Sum(nil)
	check := make([]byte, len(got))
	if err := in.full(check); err != nil {
		return info, err
	}
	if string(check) != string(got) {
		return info, fmt.Errorf("%w: its checksum differs", ErrCorrupt)
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || err != nil && err != io.EOF {
		return info, errors.Join(fmt.Errorf("%w: there is more behind its end", ErrCorrupt), err)
	}
	info.Stored = in.n
	return info, nil
}

// source adds up what is read through it.
type source struct {
	r   io.Reader
	sum interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
}

// full fills p. What ends too early is a damaged snapshot.
func (s *source) full(p []byte) error {
	n, err := io.ReadFull(s.r, p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: it ends after %d bytes", ErrCorrupt, s.n)
	}
	return err
}

func (s *source) uint32() (uint32, error) {
	var p [4]byte
	err := s.full(p[:])
	return binary.LittleEndian.Uint32(p[:]), err
}

// readSection gives the content of the section that has begun, all of which
// must be taken.
func readSection(s *source, take func(*bufio.Reader) error) error {
	chunks := &chunkReader{s: s}
	dec, err := zstd.NewReader(chunks, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return damaged(err)
	}
	defer dec.Close()
	plain := bufio.NewReaderSize(dec, 64<<10)
	if err := take(plain); err != nil {
		return damaged(err)
	}
	if _, err := plain.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: a section goes on behind its end", ErrCorrupt)
	}
	for !chunks.end { // zstd has no need to read the terminator
		if _, err := chunks.Read(make([]byte, 1)); err == nil {
			return fmt.Errorf("%w: a section goes on behind its end", ErrCorrupt)
		} else if err != io.EOF {
			return err
		}
	}
	return nil
}

// maxWindow bounds the memory that a damaged frame makes the decoder take.
const maxWindow = 8 << 20

// damaged is what it means that the content of a section can't be read: the
// frame is damaged, unless the error says something else.
func damaged(err error) error {
	var path *fs.PathError
	if errors.Is(err, ErrCorrupt) || errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// chunkReader joins the chunks of a section.
type chunkReader struct {
	s    *source
	left uint32
	end  bool
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.end {
		return 0, io.EOF
	}
	if c.left == 0 {
		n, err := c.s.uint32()
		if err != nil {
			return 0, err
		}
		if n == 0 {
			c.end = true
			return 0, io.EOF
		}
		if n > maxChunk {
			return 0, fmt.Errorf("%w: a chunk of %d bytes", ErrCorrupt, n)
		}
		c.left = n
	}
	n := min(len(p), int(c.left))
	if err := c.s.full(p[:n]); err != nil {
		return 0, err
	}
	c.left -= uint32(n)
	return n, nil
}

type treeReader struct {
	r    *bufio.Reader
	to   *maker // nil to keep nothing
	info *Info
}

func (t *treeReader) count(most uint64) (uint64, error) {
	n, err := binary.ReadUvarint(t.r)
	if err == nil && n > most {
		err = fmt.Errorf("%w: a count of %d, where %d is the most", ErrCorrupt, n, most)
	}
	return n, err
}

// MaxFile bounds the size of a file, in bytes: Postgres cuts what is larger than
// a quarter of that into several. It keeps a damaged size from taking memory.
const MaxFile = 4 << 30

// maxText bounds a path or the target of a link, in bytes (PATH_MAX).
const maxText = 4096

func (t *treeReader) text() (string, error) {
	n, err := t.count(maxText)
	if err != nil {
		return "", err
	}
	p := make([]byte, n)
	_, err = io.ReadFull(t.r, p)
	return string(p), err
}

func (t *treeReader) tree() error {
	for {
		typ, err := t.r.ReadByte()
		if err != nil || typ == entryEnd {
			return err
		}
		name, err := t.text()
		if err != nil {
			return err
		}
		if name == "" || !fs.ValidPath(name) || name == "." {
			return fmt.Errorf("%w: an entry is called %q", ErrCorrupt, name)
		}
		perm, err := t.count(uint64(fs.ModePerm))
		if err != nil {
			return err
		}
		switch typ {
		case entryFolder:
			t.info.Folders++
			err = t.to.folder(name, fs.FileMode(perm))
		case entryFile:
			t.info.Files++
			err = t.file(name, fs.FileMode(perm))
		case entryLink:
			var target string
			if target, err = t.text(); err == nil {
				err = t.to.link(target, name)
			}
		default:
			err = fmt.Errorf("%w: an entry of type %d", ErrCorrupt, typ)
		}
		if err != nil {
			return err
		}
	}
}

func (t *treeReader) file(name string, perm fs.FileMode) (err error) {
	size, err := t.count(MaxFile)
	if err != nil {
		return err
	}
	t.info.Bytes += int64(size)
	f, err := t.to.file(name, perm, int64(size))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	buf := make([]byte, 64<<10)
	for at := uint64(0); ; {
		gap, err := t.count(size - at)
		if err != nil {
			return err
		}
		at += gap
		n, err := t.count(size - at)
		if err != nil || n == 0 {
			return err
		}
		for end := at + n; at < end; {
			p := buf[:min(uint64(len(buf)), end-at)]
			if _, err := io.ReadFull(t.r, p); err != nil {
				return err
			}
			if err := f.write(p, int64(at)); err != nil {
				return err
			}
			at += uint64(len(p))
		}
	}
}

// maker makes files. A nil one makes none.
type maker struct {
	fs   vfs.FS
	root string
}

func (m *maker) folder(name string, perm fs.FileMode) error {
	if m == nil {
		return nil
	}
	return failed("mkdir", name, m.fs.Mkdir(path.Join(m.root, name), perm))
}

func (m *maker) link(target, name string) error {
	if m == nil {
		return nil
	}
	return failed("symlink", name, m.fs.Symlink(target, path.Join(m.root, name)))
}

// made is a file in the making.
type made struct {
	f    vfs.File // nil for none
	name string
}

func (m *maker) file(name string, perm fs.FileMode, size int64) (*made, error) {
	if m == nil {
		return &made{}, nil
	}
	f, err := m.fs.Open(path.Join(m.root, name), vfs.WriteOnly|vfs.Create|vfs.Exclusive, perm)
	if err != nil {
		return nil, failed("create", name, err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, failed("truncate", name, errors.Join(err, f.Close()))
	}
	return &made{f, name}, nil
}

func (f *made) write(p []byte, off int64) error {
	if f.f == nil {
		return nil
	}
	_, err := f.f.WriteAt(p, off)
	return failed("write", f.name, err)
}

func (f *made) close() error {
	if f.f == nil {
		return nil
	}
	return failed("close", f.name, f.f.Close())
}

// failed marks an error as the file system's, which is none of the snapshot's.
func failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
