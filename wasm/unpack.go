package wasm

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Upper bounds of what an archive may hold, several times what the pinned
// packages need: a hostile one ends in an error, not in a full memory.
const (
	maxPackage = 256 << 20 // bytes of one npm package, unpacked
	maxArchive = 64 << 20  // bytes of one extension archive, unpacked
)

// integrityOf is the npm integrity value of a package tarball.
func integrityOf(tarball []byte) string {
	sum := sha512.Sum512(tarball)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// unpack makes the package's files, by name, from its npm tarball. Tarball,
// sources and results are each compared with the manifest.
func (p *npmPackage) unpack(tarball []byte) (map[string][]byte, error) {
	if got := integrityOf(tarball); got != p.Integrity {
		return nil, fmt.Errorf("%v: tarball has integrity %s, want %s", p, got, p.Integrity)
	}
	sources, err := readPackage(tarball, func(name string) bool { return p.source(name) != nil })
	if err != nil {
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	for i := range p.Sources {
		s := &p.Sources[i]
		if err := s.verify(sources[s.Path]); err != nil {
			return nil, fmt.Errorf("%v: %s %w", p, s.Path, err)
		}
	}
	files, err := makeFiles(sources)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	return files, p.verifyAll(files)
}

// verifyAll compares files with the pins of the package.
func (p *npmPackage) verifyAll(files map[string][]byte) error {
	for i := range p.Files {
		f := &p.Files[i]
		if err := f.verify(files[f.Path]); err != nil {
			return fmt.Errorf("%v: %s %w", p, f.Path, err)
		}
	}
	return nil
}

// isSource says which files of an npm package are of use: those that the
// manifest pins when it is made.
func isSource(name string) bool {
	switch name {
	case "dist/pglite.wasm", "dist/pglite.data", "dist/pglite.js", "dist/initdb.wasm":
		return true
	}
	return path.Dir(name) == "dist" && strings.HasSuffix(name, ".tar.gz")
}

// readPackage returns the wanted files of an npm tarball, by their path below
// its top folder, package/.
func readPackage(tarball []byte, want func(name string) bool) (map[string][]byte, error) {
	files := make(map[string][]byte)
	z, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return nil, err
	}
	err = walkTar(z, maxPackage, func(h *tar.Header, r io.Reader) error {
		name, ok := strings.CutPrefix(h.Name, "package/")
		if !ok || h.Typeflag != tar.TypeReg || !want(name) {
			return nil
		}
		data, err := io.ReadAll(r)
		files[name] = data
		return err
	})
	return files, err
}

// makeFiles makes the files that the cache keeps from the sources of one
// package. It is a pure function: the manifest pins its result.
func makeFiles(sources map[string][]byte) (map[string][]byte, error) {
	files := make(map[string][]byte)
	var guest []File
	for name, data := range sources {
		switch {
		case strings.HasSuffix(name, ".wasm"):
			files[path.Base(name)] = data
		case strings.HasSuffix(name, ".tar.gz"):
			list, err := readArchive(data)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			guest = append(guest, list...)
		case strings.HasSuffix(name, ".data"):
			list, err := splitData(sources["dist/pglite.js"], data)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			guest = append(guest, list...)
		}
	}
	slices.SortFunc(guest, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	for i := 1; i < len(guest); i++ {
		if guest[i].Path == guest[i-1].Path {
			return nil, fmt.Errorf("%s stands twice", guest[i].Path)
		}
	}
	var tree bytes.Buffer
	if err := writeTree(&tree, guest); err != nil {
		return nil, err
	}
	files["tree"] = tree.Bytes()
	return files, nil
}

// splitData cuts pglite.data up by the index in the loader script. The script
// has no modes (Emscripten makes everything 0777), so they are those that an
// installation has; libpq wants its password file at 0600.
func splitData(script, data []byte) ([]File, error) {
	list, size, err := parseDataList(script)
	if err != nil {
		return nil, err
	}
	if size != int64(len(data)) {
		return nil, fmt.Errorf("has %d bytes, the loader script says %d", len(data), size)
	}
	files := make([]File, len(list))
	for i, e := range list {
		mode := fs.FileMode(0o644)
		switch {
		case path.Dir(e.path) == "/pglite/bin", path.Ext(e.path) == ".so":
			mode = 0o755
		case path.Base(e.path) == ".pgpass":
			mode = 0o600
		}
		files[i] = File{Path: e.path, Mode: mode, Data: data[e.start:e.end]}
	}
	return files, nil
}

// readArchive returns the files of an extension's archive, whose paths are
// relative to /pglite. Headers for C programs are left out.
func readArchive(archive []byte) ([]File, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	return readTar(z, maxArchive)
}

func readTar(archive io.Reader, limit int64) ([]File, error) {
	var files []File
	err := walkTar(archive, limit, func(h *tar.Header, r io.Reader) error {
		name := path.Clean(h.Name)
		switch {
		case h.Typeflag == tar.TypeDir:
			return nil
		case h.Typeflag != tar.TypeReg:
			return fmt.Errorf("%q is neither file nor folder", h.Name)
		case !fs.ValidPath(name) || name == ".":
			return fmt.Errorf("%q leads out of the archive", h.Name)
		case strings.HasPrefix(name, "include/"):
			return nil
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if h.Mode&0o111 != 0 {
			mode = 0o755
		}
		f := File{Path: "/pglite/" + name, Mode: mode, Data: data}
		files = append(files, f)
		return checkGuestPath(f.Path)
	})
	return files, err
}

// walkTar calls f for each entry of a tar of at most limit bytes. The contents
// are bounded besides the archive: the holes of a sparse file cost an archive
// nothing and a reader everything.
func walkTar(archive io.Reader, limit int64, f func(h *tar.Header, r io.Reader) error) error {
	bounded := &io.LimitedReader{R: archive, N: limit}
	t := tar.NewReader(bounded)
	contents := &io.LimitedReader{R: t, N: limit}
	for {
		h, err := t.Next()
		if err == nil {
			err = f(h, contents)
		}
		switch {
		case bounded.N <= 0 || contents.N <= 0:
			return fmt.Errorf("archive has more than %d bytes", limit)
		case errors.Is(err, io.EOF) && h == nil:
			return nil
		case err != nil:
			return err
		}
	}
}
