package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/howdahdb/howdah/runtime/vfs"
)

var key = [32]byte{4, 5, 6}

// frozen stands for a program: some pages, and where they are.
func frozen(b []byte) (all, state []byte, err error) {
	if len(b)%mappedGrain != 0 {
		return nil, nil, fmt.Errorf("pages would begin at %d", len(b))
	}
	return append(b, bytes.Repeat([]byte("page"), 1000)...), fmt.Append(nil, "pages at ", len(b)), nil
}

func mapped(t testing.TB, tree vfs.FS) []byte {
	t.Helper()
	b, err := WriteMapped(program, key, frozen, tree)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMappedRoundTrip(t *testing.T) {
	from := tree(t)
	if err := from.PutFile("/data/base/the same noise", 0o600, content(t, from, "/data/base/noise")); err != nil {
		t.Fatal(err)
	}
	b := mapped(t, from)
	if len(b) > 6*maxChunk { // the noise once
		t.Errorf("the form has %d bytes", len(b))
	}
	m, err := OpenMapped(b, program, key)
	if err != nil {
		t.Fatal(err)
	}
	var at int
	if _, err := fmt.Sscanf(string(m.State), "pages at %d", &at); err != nil || !bytes.HasPrefix(b[at:], []byte("pagepage")) {
		t.Errorf("the state is %q, %v", m.State, err)
	}
	to, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if got, want := describe(t, to, "/"), describe(t, from, "/"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	// What is written to the files does not go there.
	before := bytes.Clone(b)
	f, err := to.Open("/data/base/noise", vfs.ReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("other"), 10_000); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if !bytes.Equal(b, before) {
		t.Error("a write to a file has changed the form")
	}
}

func content(t *testing.T, m vfs.FS, name string) []byte {
	t.Helper()
	f, err := m.Open(name, vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, info.Size)
	if _, err := f.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	return p
}

// readMapped does what a start does with the form.
func readMapped(b []byte, p Program, key [32]byte) error {
	m, err := OpenMapped(b, p, key)
	if err != nil {
		return err
	}
	tree, err := m.Files()
	if err != nil {
		return err
	}
	return tree.Close()
}

func TestMappedRefused(t *testing.T) {
	b := mapped(t, tree(t))
	other := bytes.Clone(b)
	other[8] = 9
	for name, c := range map[string]struct {
		b    []byte
		p    Program
		key  [32]byte
		want error
	}{
		"of another program":      {b, Program{9}, key, ErrProgram},
		"made in another way":     {b, program, [32]byte{9}, ErrProgram},
		"of another version":      {other, program, key, ErrFormat},
		"the other form":          {written(t, tree(t)), program, key, ErrFormat},
		"empty":                   {nil, program, key, ErrCorrupt},
		"with more behind it":     {append(bytes.Clone(b), 0), program, key, ErrCorrupt},
		"without its last byte":   {b[:len(b)-1], program, key, ErrCorrupt},
		"the head and no more":    {b[:mappedHead], program, key, ErrCorrupt},
		"not even the whole head": {b[:mappedHead-1], program, key, ErrCorrupt},
	} {
		if err := readMapped(c.b, c.p, c.key); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMappedDamage flips bits and cuts the end off, anywhere.
func TestMappedDamage(t *testing.T) {
	small := empty(t)
	if err := small.PutFile("/data/x", 0o600, bytes.Repeat([]byte("not all of it is the same 0123456789"), 300)); err != nil {
		t.Fatal(err)
	}
	b := mapped(t, small)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for k := range 1000 {
		bad, what := bytes.Clone(b), ""
		if rnd.IntN(2) == 0 {
			bit := rnd.IntN(8 * len(b))
			if k%4 == 0 { // most of the form is what the memory and the files hold
				bit = rnd.IntN(8 * mappedHead)
			}
			bad[bit/8] ^= 1 << (bit % 8)
			what = fmt.Sprint("bit ", bit)
		} else {
			bad = bad[:rnd.IntN(len(b))]
			what = fmt.Sprint("cut to ", len(bad))
		}
		if err := readMapped(bad, program, key); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrProgram) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func FuzzOpenMapped(f *testing.F) {
	f.Add(mapped(f, tree(f)))
	small := empty(f)
	if err := small.PutFile("/data/x", 0o600, []byte("x")); err != nil {
		f.Fatal(err)
	}
	f.Add(mapped(f, small))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Length, checksum and names would end all of them: they are made to fit.
		if b = bytes.Clone(b); len(b) >= mappedHead {
			copy(b, mappedMagic)
			binary.LittleEndian.PutUint32(b[8:], mappedVersion)
			binary.LittleEndian.PutUint64(b[16:], uint64(len(b)))
			copy(b[24:], program[:])
			copy(b[56:], key[:])
			binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
		}
		_ = readMapped(b, program, key)
	})
}
