package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// dataFile is one entry of the index of pglite.data: the bytes [start,end).
type dataFile struct {
	path       string // absolute path in the guest
	start, end int64
}

// parseDataList reads the index of pglite.data out of the package's own
// loader script, where Emscripten's tools/file_packager.py put it as
//
//	loadPackage({files:[{filename:"/a",start:0,end:204},…],remote_package_size:6242272})
//
// after a minifier dropped the quotes of the keys and rewrote numbers (1000
// may stand as 1e3). The entries are back to back and fill the data file,
// which is checked, as are the paths: absolute, clean, each once.
func parseDataList(script []byte) (files []dataFile, size int64, err error) {
	const head = `{files:[`
	i := bytes.Index(script, []byte(head+`{filename:`))
	if i < 0 {
		return nil, 0, errors.New("no file list in the loader script")
	}
	s := listScanner{rest: script[i+len(head):]}
	seen := make(map[string]bool)
	for {
		f := s.entry()
		if s.err != nil {
			return nil, 0, fmt.Errorf("file list, entry %d: %w", len(files), s.err)
		}
		switch {
		case checkGuestPath(f.path) != nil:
			return nil, 0, fmt.Errorf("file list: %w", checkGuestPath(f.path))
		case seen[f.path]:
			return nil, 0, fmt.Errorf("file list: %s stands twice", f.path)
		case f.start != size || f.end < f.start:
			return nil, 0, fmt.Errorf("file list: %s is at [%d,%d), want it to start at %d", f.path, f.start, f.end, size)
		}
		seen[f.path] = true
		size = f.end
		files = append(files, f)
		if !s.accept(",") {
			break
		}
	}
	s.expect(`],remote_package_size:`)
	if total := s.number(); s.err == nil && total != size {
		return nil, 0, fmt.Errorf("file list: files end at %d, package size is %d", size, total)
	}
	return files, size, s.err
}

// listScanner takes tokens off rest until the first error.
type listScanner struct {
	rest []byte
	err  error
}

// entry is one object. file_packager.py writes "audio" for some file types.
func (s *listScanner) entry() (f dataFile) {
	s.expect(`{filename:`)
	f.path = s.quoted()
	s.expect(`,start:`)
	f.start = s.number()
	s.expect(`,end:`)
	f.end = s.number()
	if s.accept(`,audio:`) {
		s.number()
	}
	s.expect(`}`)
	return f
}

func (s *listScanner) accept(token string) bool {
	rest, ok := bytes.CutPrefix(s.rest, []byte(token))
	if s.err != nil || !ok {
		return false
	}
	s.rest = rest
	return true
}

func (s *listScanner) expect(token string) {
	if s.err == nil && !s.accept(token) {
		s.err = fmt.Errorf("want %s before %.20q", token, s.rest)
	}
}

// quoted is a double-quoted string without escapes: the paths have none, and
// half an unescaper would be worse than a refusal.
func (s *listScanner) quoted() string {
	s.expect(`"`)
	i := bytes.IndexByte(s.rest, '"')
	if s.err != nil {
		return ""
	}
	if i < 0 || bytes.IndexByte(s.rest[:i], '\\') >= 0 {
		s.err = errors.New("string without end or with an escape")
		return ""
	}
	str := string(s.rest[:i])
	s.rest = s.rest[i+1:]
	return str
}

// number is a non-negative integer as JavaScript writes it.
func (s *listScanner) number() int64 {
	if s.err != nil {
		return 0
	}
	n := 0
	for n < len(s.rest) && strings.IndexByte("0123456789.eExXabcdfABCDF", s.rest[n]) >= 0 {
		n++
	}
	text := string(s.rest[:n])
	v, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		var f float64
		f, err = strconv.ParseFloat(text, 64)
		if err == nil && (f != math.Trunc(f) || f > 1<<53) {
			err = errors.New("not an integer")
		}
		v = int64(f)
	}
	if err != nil {
		s.err = fmt.Errorf("number %q: %w", text, err)
		return 0
	}
	s.rest = s.rest[n:]
	return v
}
