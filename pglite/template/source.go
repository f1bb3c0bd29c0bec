package template

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"unicode/utf8"
)

// Source is what a template is made from. It does not change any more.
type Source struct {
	name    string
	scripts []script
	sum     [sha256.Size]byte
}

// script is one file.
type script struct {
	file       string
	together   bool // in one transaction
	statements []statement
}

// Name is what the source is called in errors and reports.
func (s *Source) Name() string { return s.name }

// Open reads the folder or the file at a path of the operating system.
func Open(path string) (*Source, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return dir(path, os.DirFS(path))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return file(path, filepath.Base(path), data)
}

// Dir reads a folder of migrations.
func Dir(fsys fs.FS) (*Source, error) { return dir("", fsys) }

// File reads a schema or a dump.
func File(fsys fs.FS, name string) (*Source, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return file(name, path.Base(name), data)
}

// file makes a source of one file. Its folder is not part of what it is.
func file(name, base string, data []byte) (*Source, error) {
	text, err := decode(name, data)
	if err != nil {
		return nil, err
	}
	statements, err := split(name, text, 1)
	if err != nil {
		return nil, err
	}
	return &Source{name: name, scripts: []script{{file: name, statements: statements}}, sum: sum("file", []content{{base, data}})}, nil
}

// content is a file as it was read.
type content struct {
	name string
	data []byte
}

// sum is a hash of kind, names and contents, each with its length.
func sum(kind string, files []content) (h [sha256.Size]byte) {
	w := sha256.New()
	fmt.Fprintf(w, "%s %d\n", kind, len(files))
	for _, f := range files {
		fmt.Fprintf(w, "%d %d\n%s", len(f.name), len(f.data), f.name)
		w.Write(f.data)
	}
	w.Sum(h[:0])
	return h
}

// decode refuses what is no SQL in UTF-8, of which pg_dump's other formats and
// a shell's idea of it are the likely ones.
func decode(name string, data []byte) (string, error) {
	if bytes.HasPrefix(data, []byte("PGDMP")) {
		return "", fmt.Errorf("%s: a dump in the custom format, which only pg_restore reads; pg_dump --format=plain makes one that can be used", name)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return "", fmt.Errorf("%s: not SQL in UTF-8", name)
	}
	return string(data), nil
}

// errEmpty is what a folder without migrations gives.
var errEmpty = errors.New("no migrations: neither *.sql nor */migration.sql")
