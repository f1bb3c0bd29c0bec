package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// spill is a file with the entries of a transaction that has many.
type spill struct {
	files vfs.FS
	name  string
	file  vfs.File
	size  int64
}

const spillPrefix = "/pending-"

// newSpill makes the file for a transaction that is known by its xid and by where
// it has begun: xids come again after four billion others.
func newSpill(files vfs.FS, xid uint32, at wal.LSN) (*spill, error) {
	s := &spill{files: files, name: fmt.Sprintf("%s%d-%X", spillPrefix, xid, uint64(at))}
	return s, s.openFile(vfs.ReadWrite | vfs.Create | vfs.Truncate)
}

// reopen opens the file of a saved state, which had size bytes then.
func reopenSpill(files vfs.FS, name string, size int64) (*spill, error) {
	s := &spill{files: files, name: name, size: size}
	if err := s.openFile(vfs.ReadWrite); err != nil {
		return nil, err
	}
	info, err := s.file.Stat()
	if err == nil && info.Size < size {
		err = fmt.Errorf("%s has %d bytes of %d", name, info.Size, size)
	}
	if err == nil {
		err = s.file.Truncate(size)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *spill) openFile(flag int) (err error) {
	s.file, err = s.files.Open(s.name, flag, fs.FileMode(0o600))
	return err
}

// write puts b behind what is there.
func (s *spill) write(b []byte) error {
	_, err := s.file.WriteAt(b, s.size)
	if err == nil {
		s.size += int64(len(b))
	}
	return err
}

func (s *spill) reader() io.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(eofReader{s.file}, 0, s.size), 1<<16)
}

func (s *spill) close() error { return s.file.Close() }

// eofReader is a vfs.File as an io.ReaderAt, which has to tell of the end.
type eofReader struct{ vfs.File }

func (r eofReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.File.ReadAt(p, off)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}
