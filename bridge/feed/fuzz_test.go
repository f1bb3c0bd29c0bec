package feed

import (
	"errors"
	"hash/crc32"
	"testing"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// FuzzSegment opens and reads a log of one segment, whose checksums are made right so
// that what they stand for is read.
func FuzzSegment(f *testing.F) {
	for _, sets := range []int{0, 3, 40} {
		f.Add(seedSegment(f, sets))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < segmentHeader {
			return
		}
		b = append([]byte{}, b...)
		mend(b)
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		m := vfs.NewMemory(vfs.MemoryOptions{})
		defer m.Close()
		write(t, m, "/"+segmentName(h.base), b)
		l, err := Open(Options{FS: m, ID: h.id})
		if err != nil {
			return
		}
		defer l.Close()
		s, err := l.Subscribe(t.Context(), SubscribeOptions{Database: "app", From: Start})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for at := l.First(); at < l.Last(); {
			got, beyond, err := l.look(s, behind(at))
			if beyond {
				got, err = l.read(&s.reader, behind(at))
			}
			if errors.Is(err, ErrRefetch) || got == nil && err == nil {
				return
			}
			if err != nil || got.LSN <= at {
				t.Fatalf("after %v: %v, %v", at, got, err)
			}
			at = got.LSN
		}
	})
}

// mend puts right checksums as far as frames follow each other.
func mend(b []byte) {
	copy(b, segmentMagic)
	le.PutUint32(b[8:], segmentVersion)
	crc := crc32.Checksum(b[16:segmentHeader], castagnoli)
	le.PutUint32(b[12:], crc)
	for b = b[segmentHeader:]; len(b) >= frameHeader; {
		f := parseFrame(b)
		if f.size() > len(b) {
			return
		}
		le.PutUint32(b[8:], crc)
		crc = crc32.Checksum(b[8:f.size()], castagnoli)
		le.PutUint32(b[4:], crc)
		b = b[f.size():]
	}
}

func seedSegment(t testing.TB, sets int) []byte {
	m := vfs.NewMemory(vfs.MemoryOptions{})
	defer m.Close()
	l, err := Open(Options{FS: m, SegmentBytes: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for k := range sets {
		s := &change.Set{Database: "app", LSN: wal.LSN(8*k + 8), Changes: []change.Change{{Kind: change.Message, Message: &change.EmittedMessage{Content: make([]byte, 300)}}}}
		if err := l.Append(s); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := m.Open("/"+segmentName(0), vfs.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, info.Size)
	if err := readAt(f, b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, fs vfs.FS, name string, b []byte) {
	f, err := fs.Open(name, vfs.ReadWrite|vfs.Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}
