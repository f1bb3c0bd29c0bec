package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// File is one file of the guest's file tree. The folders above it are implied.
type File struct {
	Path string      // absolute path in the guest, clean
	Mode fs.FileMode // permission bits
	Data []byte      // read-only; may be mapped memory that Artifact.Close takes away
}

// treeMagic is the first line of a tree, with the version of the format.
const treeMagic = "howdah tree 1\n"

// writeTree writes files as one tree: an index in text, a line per file, an
// empty line, and the contents back to back in the same order.
//
//	howdah tree 1\n
//	755 3190881 /pglite/lib/postgresql/pgcrypto.so\n     mode (octal), bytes, path
//	644 152 /pglite/share/postgresql/extension/pgcrypto.control\n
//	\n
//	…3190881 bytes……152 bytes…
//
// The same files give the same bytes whatever wrote them, which tar and zip
// writers do not promise across versions; that is why its hash can be pinned.
// Damage is not detected by the format: the whole is hashed before it is read.
func writeTree(w io.Writer, files []File) error {
	var index bytes.Buffer
	index.WriteString(treeMagic)
	for _, f := range files {
		if err := checkGuestPath(f.Path); err != nil {
			return err
		}
		fmt.Fprintf(&index, "%o %d %s\n", f.Mode.Perm(), len(f.Data), f.Path)
	}
	index.WriteByte('\n')
	if _, err := w.Write(index.Bytes()); err != nil {
		return err
	}
	for _, f := range files {
		if _, err := w.Write(f.Data); err != nil {
			return err
		}
	}
	return nil
}

// parseTree reads what writeTree wrote. The Data of the files are parts of
// tree, not copies.
func parseTree(tree []byte) ([]File, error) {
	rest, ok := bytes.CutPrefix(tree, []byte(treeMagic))
	if !ok {
		return nil, errors.New("not a tree: bad first line")
	}
	index, data, ok := bytes.Cut(rest, []byte("\n\n"))
	if empty, found := bytes.CutPrefix(rest, []byte("\n")); found {
		index, data, ok = nil, empty, true
	}
	if !ok {
		return nil, errors.New("tree without end of index")
	}
	files := make([]File, 0, bytes.Count(index, []byte("\n"))+1)
	for line := range strings.Lines(string(index)) {
		f, size, err := parseTreeLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		if size > uint64(len(data)) {
			return nil, fmt.Errorf("tree ends inside %s", f.Path)
		}
		f.Data, data = data[:size:size], data[size:]
		files = append(files, f)
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%d bytes after the end of the tree", len(data))
	}
	return files, nil
}

func parseTreeLine(line string) (f File, size uint64, err error) {
	bad := func() (File, uint64, error) { return File{}, 0, fmt.Errorf("bad index line %q in tree", line) }
	mode, rest, ok := strings.Cut(line, " ")
	if !ok {
		return bad()
	}
	bytes, name, ok := strings.Cut(rest, " ")
	if !ok {
		return bad()
	}
	perm, err := strconv.ParseUint(mode, 8, 9)
	if err != nil {
		return bad()
	}
	if size, err = strconv.ParseUint(bytes, 10, 62); err != nil {
		return bad()
	}
	if err := checkGuestPath(name); err != nil {
		return File{}, 0, err
	}
	return File{Path: name, Mode: fs.FileMode(perm)}, size, nil
}

// checkGuestPath accepts what both sides of the format agree on.
func checkGuestPath(p string) error {
	if !path.IsAbs(p) || p == "/" || path.Clean(p) != p || strings.ContainsAny(p, "\n\x00") {
		return fmt.Errorf("%q is not a clean absolute path", p)
	}
	return nil
}
