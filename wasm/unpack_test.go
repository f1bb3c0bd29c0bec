package wasm

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

// tarGz makes an archive; a header without Typeflag is a regular file with
// its own name as content.
func tarGz(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, h.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadArchive(t *testing.T) {
	for _, tt := range []struct {
		name    string
		headers []tar.Header
		want    []File
		err     string
	}{
		{name: "modes and headers", headers: []tar.Header{
			{Name: "lib/", Typeflag: tar.TypeDir, Mode: 0o755},
			{Name: "./lib/a.so", Mode: 0o700},
			{Name: "share/a.sql", Mode: 0o400},
			{Name: "include/a.h", Mode: 0o644},
		}, want: []File{
			{"/pglite/lib/a.so", 0o755, []byte("./lib/a.so")},
			{"/pglite/share/a.sql", 0o644, []byte("share/a.sql")},
		}},
		{name: "upwards", headers: []tar.Header{{Name: "share/../../etc/passwd"}}, err: "leads out"},
		{name: "absolute", headers: []tar.Header{{Name: "/etc/passwd"}}, err: "leads out"},
		{name: "symlink", headers: []tar.Header{{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/"}}, err: "neither file nor folder"},
		{name: "hard link", headers: []tar.Header{{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}}, err: "neither file nor folder"},
		{name: "device", headers: []tar.Header{{Name: "a", Typeflag: tar.TypeChar}}, err: "neither file nor folder"},
		{name: "newline", headers: []tar.Header{{Name: "a\nb"}}, err: "not a clean absolute path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readArchive(tarGz(t, tt.headers...))
			if tt.err == "" && (err != nil || !reflect.DeepEqual(got, tt.want)) {
				t.Errorf("got %v, %v", got, err)
			}
			if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

// TestArchiveBound: neither a long archive nor one of holes is read to its end.
func TestArchiveBound(t *testing.T) {
	var long bytes.Buffer
	w := tar.NewWriter(&long)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Size: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := readTar(bytes.NewReader(long.Bytes()), 2<<20); err != nil || len(files) != 1 {
		t.Errorf("below the bound: %v", err)
	}
	for name, archive := range map[string][]byte{"long": long.Bytes(), "sparse": sparseTar(1 << 40)} {
		_, err := readTar(bytes.NewReader(archive), 1<<19)
		if err == nil || !strings.Contains(err.Error(), "more than 524288 bytes") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// sparseTar is one file of size bytes without content, in PAX sparse format
// 0.1 (GNU tar manual, appendix D.2), which archive/tar reads and can't write.
func sparseTar(size int64) []byte {
	var out bytes.Buffer
	record := func(key, value string) string {
		n := len(key) + len(value) + 3
		for n != len(fmt.Sprintf("%d %s=%s\n", n, key, value)) {
			n++
		}
		return fmt.Sprintf("%d %s=%s\n", n, key, value)
	}
	pax := record("GNU.sparse.major", "0") + record("GNU.sparse.minor", "1") + record("GNU.sparse.name", "holes") +
		record("GNU.sparse.size", fmt.Sprint(size)) + record("GNU.sparse.numblocks", "0") + record("GNU.sparse.map", "")
	header := func(name string, size int, kind byte) {
		var b [512]byte
		copy(b[:], name)
		copy(b[100:], "0000644\x000000000\x000000000\x00")
		copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00        ", size))
		b[156] = kind
		copy(b[257:], "ustar\x0000")
		sum := 0
		for _, c := range b {
			sum += int(c)
		}
		copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
		out.Write(b[:])
	}
	header("pax", len(pax), tar.TypeXHeader)
	out.WriteString(pax)
	out.Write(make([]byte, 512-len(pax)%512))
	header("holes", 0, tar.TypeReg)
	out.Write(make([]byte, 1024))
	return out.Bytes()
}

func TestMakeFilesRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sources map[string][]byte
		want    string
	}{
		{"file in two archives", map[string][]byte{
			"dist/a.tar.gz": tarGz(t, tar.Header{Name: "share/x"}),
			"dist/b.tar.gz": tarGz(t, tar.Header{Name: "share/x"}),
		}, "/pglite/share/x stands twice"},
		{"data without its script", map[string][]byte{"dist/pglite.data": []byte("x")}, "no file list"},
		{"data of another size", map[string][]byte{
			"dist/pglite.data": []byte("x"),
			"dist/pglite.js":   []byte(`{files:[{filename:"/a",start:0,end:2}],remote_package_size:2`),
		}, "has 1 bytes, the loader script says 2"},
		{"no gzip", map[string][]byte{"dist/a.tar.gz": []byte("x")}, "dist/a.tar.gz"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := makeFiles(tt.sources); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestUnpackVerifies takes a package with one archive through every pin.
func TestUnpackVerifies(t *testing.T) {
	archive := tarGz(t, tar.Header{Name: "share/x"})
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for name, data := range map[string][]byte{"package/dist/x.tar.gz": archive, "package/package.json": []byte("{}")} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	tarball, tree := out.Bytes(), []byte("howdah tree 1\n644 7 /pglite/share/x\n\nshare/x")
	good := func() *npmPackage {
		return &npmPackage{Name: "@s/x", Version: "1.0.0", Integrity: integrityOf(tarball),
			Sources: []pin{pinOf("dist/x.tar.gz", archive)}, Files: []pin{pinOf("tree", tree)}}
	}
	files, err := good().unpack(tarball)
	if err != nil || !bytes.Equal(files["tree"], tree) {
		t.Fatalf("got %q, %v", files, err)
	}
	for _, tt := range []struct {
		name, want string
		change     func(p *npmPackage)
	}{
		{"integrity", "tarball has integrity sha512-", func(p *npmPackage) { p.Integrity = "sha512-AAAA" }},
		{"source hash", "dist/x.tar.gz has sha256", func(p *npmPackage) { p.Sources[0].SHA256 = "00" }},
		{"source size", "dist/x.tar.gz has", func(p *npmPackage) { p.Sources[0].Size++ }},
		{"source gone", "dist/y.tar.gz has 0 bytes", func(p *npmPackage) { p.Sources[0].Path = "dist/y.tar.gz" }},
		{"file hash", "tree has sha256", func(p *npmPackage) { p.Files[0].SHA256 = "00" }},
		{"file gone", "other has 0 bytes", func(p *npmPackage) { p.Files[0].Path = "other" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := good()
			tt.change(p)
			if _, err := p.unpack(tarball); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// FuzzReadTar: whatever is accepted stays below /pglite and within the bound.
func FuzzReadTar(f *testing.F) {
	const bound = 1 << 20
	for _, archive := range [][]byte{
		tarGz(f, tar.Header{Name: "lib/a.so", Mode: 0o755}, tar.Header{Name: "include/a.h"}),
		tarGz(f, tar.Header{Name: "../a"}),
	} {
		z, err := gzip.NewReader(bytes.NewReader(archive))
		if err != nil {
			f.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Add(sparseTar(1000))
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := readTar(bytes.NewReader(archive), bound)
		if err != nil {
			return
		}
		total := 0
		for _, e := range files {
			if checkGuestPath(e.Path) != nil || !strings.HasPrefix(e.Path, "/pglite/") {
				t.Fatalf("accepted %q", e.Path)
			}
			total += len(e.Data)
		}
		if total > bound {
			t.Fatalf("%d bytes of content", total)
		}
	})
}
