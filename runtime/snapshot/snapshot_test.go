package snapshot

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"syscall"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

var program = Program{1, 2, 3}

// tree makes some of all that a snapshot can hold below /data.
func tree(t testing.TB) *vfs.Memory {
	t.Helper()
	m := vfs.NewMemory(vfs.MemoryOptions{})
	t.Cleanup(func() { m.Close() })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(m.Mkdir("/data", 0o700))
	check(m.Mkdir("/data/base", 0o750))
	check(m.Mkdir("/data/base/empty", 0o700))
	check(m.Symlink("../elsewhere", "/data/base/link"))
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		p := make([]byte, n)
		for k := range p {
			p[k] = byte(rnd.Uint32())
		}
		return p
	}
	for name, data := range map[string][]byte{
		"/data/none":       nil,
		"/data/short":      []byte("a few words"),
		"/data/zeros":      make([]byte, 100_000),
		"/data/base/noise": noise(3*maxChunk + 17),
		"/data/base/holes": bytes.Join([][]byte{make([]byte, 50_000), noise(10_000), make([]byte, 2*maxChunk), noise(1), make([]byte, 9000)}, nil),
		"/data/skipped":    []byte("not this"),
	} {
		check(m.PutFile(name, 0o640, data))
	}
	return m
}

func skip(name string) bool { return name == "skipped" }

func written(t testing.TB, m vfs.FS) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, program, m, "/data", skip); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// describe lists what is below a folder, with the contents' sums.
func describe(t testing.TB, m vfs.FS, dir string) (all []string) {
	t.Helper()
	f, err := m.Open(dir, vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	entries, err := f.ReadDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		info, err := m.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprint(name, " ", info.Mode)
		switch info.Mode.Type() {
		case fs.ModeSymlink:
			target, err := m.Readlink(name)
			if err != nil {
				t.Fatal(err)
			}
			line += " " + target
		case 0:
			g, err := m.Open(name, vfs.ReadOnly, 0)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, info.Size)
			if n, err := g.ReadAt(p, 0); err != nil || n != len(p) {
				t.Fatal(n, err)
			}
			g.Close()
			line += fmt.Sprintf(" %d %x", info.Size, sha256.Sum256(p))
		}
		all = append(all, line)
		if info.Mode.IsDir() {
			all = append(all, describe(t, m, name)...)
		}
	}
	return all
}

func empty(t testing.TB) *vfs.Memory {
	t.Helper()
	m := vfs.NewMemory(vfs.MemoryOptions{})
	t.Cleanup(func() { m.Close() })
	if err := m.Mkdir("/data", 0o700); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRoundTrip(t *testing.T) {
	from, to := tree(t), empty(t)
	b := written(t, from)
	info, err := Read(bytes.NewReader(b), program, to, "/data")
	if err != nil {
		t.Fatal(err)
	}
	if err := from.Unlink("/data/skipped"); err != nil {
		t.Fatal(err)
	}
	if got, want := describe(t, to, "/"), describe(t, from, "/"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if want := (Info{1, program, 5, 2, 3*maxChunk + 17 + 50_000 + 10_000 + 2*maxChunk + 1 + 9000 + 100_000 + 11, int64(len(b))}); info != want {
		t.Errorf("got %+v, want %+v", info, want)
	}
	if again, err := Inspect(bytes.NewReader(b)); err != nil || again != info {
		t.Errorf("Inspect gives %+v, %v", again, err)
	}
	if again := written(t, to); !bytes.Equal(again, b) {
		t.Error("the same files give another snapshot")
	}
}

func TestRefused(t *testing.T) {
	b := written(t, tree(t))
	read := func(b []byte, p Program) error {
		_, err := Read(bytes.NewReader(b), p, empty(t), "/data")
		return err
	}
	if err := read(b, Program{9}); !errors.Is(err, ErrProgram) {
		t.Errorf("of another program: %v", err)
	}
	other := bytes.Clone(b)
	other[len(magic)] = 2
	if err := read(other, program); !errors.Is(err, ErrFormat) {
		t.Errorf("of another version: %v", err)
	}
	if err := read([]byte("PGDMP, or something else that is long enough to be one"), program); !errors.Is(err, ErrFormat) {
		t.Errorf("another file: %v", err)
	}
	if err := read(append(bytes.Clone(b), 0), program); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with more behind it: %v", err)
	}
}

// TestDamage flips bits and cuts the end off, anywhere.
func TestDamage(t *testing.T) {
	from := tree(t)
	for _, large := range []string{"/data/base/noise", "/data/base/holes"} { // each try reads all of it
		if err := from.Unlink(large); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.PutFile("/data/base/more", 0o600, bytes.Repeat([]byte("not all of it is the same 0123456789"), 300)); err != nil {
		t.Fatal(err)
	}
	b := written(t, from)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		bad := bytes.Clone(b)
		what := ""
		if rnd.IntN(2) == 0 {
			bit := rnd.IntN(8 * len(b))
			bad[bit/8] ^= 1 << (bit % 8)
			what = fmt.Sprint("bit ", bit)
		} else {
			bad = bad[:rnd.IntN(len(b))]
			what = fmt.Sprint("cut to ", len(bad))
		}
		to := empty(t)
		_, err := Read(bytes.NewReader(bad), program, to, "/data")
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrProgram) {
			t.Errorf("%s: %v", what, err)
		}
		to.Close()
	}
}

// TestNoSpace tells a full file system from a damaged snapshot.
func TestNoSpace(t *testing.T) {
	b := written(t, tree(t))
	small := vfs.NewMemory(vfs.MemoryOptions{Limit: 1 << 20})
	defer small.Close()
	if err := small.Mkdir("/data", 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Read(bytes.NewReader(b), program, small, "/data")
	if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrCorrupt) {
		t.Errorf("a full file system: %v", err)
	}
	broken := errors.New("unplugged")
	if _, err := Read(io.MultiReader(bytes.NewReader(b[:len(b)/2]), failing{broken}), program, empty(t), "/data"); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzRead(f *testing.F) {
	f.Add(written(f, tree(f)))
	small := vfs.NewMemory(vfs.MemoryOptions{})
	defer small.Close()
	if err := small.Mkdir("/data", 0o700); err != nil {
		f.Fatal(err)
	}
	if err := small.PutFile("/data/x", 0o600, []byte("x")); err != nil {
		f.Fatal(err)
	}
	f.Add(written(f, small))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum would end all of them: it is made to fit.
		if n := len(b) - sha256.Size; n > 0 {
			sum := sha256.Sum256(b[:n])
			b = append(bytes.Clone(b[:n]), sum[:]...)
		}
		to := empty(t)
		info, err := Read(bytes.NewReader(b), program, to, "/data")
		if err == nil && info.Stored != int64(len(b)) {
			t.Errorf("%d bytes are left", int64(len(b))-info.Stored)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	p := written(b, tree(b))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		to := empty(b)
		if _, err := Read(bytes.NewReader(p), program, to, "/data"); err != nil {
			b.Fatal(err)
		}
		to.Close()
	}
}
