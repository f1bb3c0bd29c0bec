package capture

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/howdahdb/howdah/bridge/heap"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// TestTransactionsAgainstModel plays transactions that write, end, and are saved and
// loaded, with so little memory that most of it goes to files.
func TestTransactionsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type logged struct {
			at      wal.LSN
			payload []byte
		}
		mem := vfs.NewMemory(vfs.MemoryOptions{})
		defer mem.Close()
		const memory = 4 * spillLeast
		txs := newTransactions(mem, memory)
		model := map[uint32][]logged{}
		at := wal.LSN(segmentSize)
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for range steps {
			xid := rapid.Uint32Range(700, 705).Draw(t, "xid")
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			default:
				size := rapid.IntRange(0, spillLeast).Draw(t, "size")
				payload := bytes.Repeat([]byte{byte(at)}, size)
				if err := txs.add(xid, at, rowEntry, func(b []byte) []byte { return append(b, payload...) }); err != nil {
					t.Fatal(err)
				}
				model[xid] = append(model[xid], logged{at, payload})
				at += 8
			case 8: // ends, with one subtransaction
				sub := xid + 1
				all := txs.take([]uint32{sub, xid})
				want := slices.Concat(model[xid], model[sub])
				slices.SortFunc(want, func(a, b logged) int { return int(a.at) - int(b.at) })
				delete(model, xid)
				delete(model, sub)
				var got []logged
				m, err := merge(all)
				if err != nil {
					t.Fatal(err)
				}
				if err := m.each(func(_ uint32, e *entry) error {
					got = append(got, logged{e.at, bytes.Clone(e.payload)})
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if !slices.EqualFunc(got, want, func(a, b logged) bool { return a.at == b.at && bytes.Equal(a.payload, b.payload) }) {
					t.Fatalf("%d entries of transaction %d, expected %d", len(got), xid, len(want))
				}
				if err := txs.drop(all); err != nil {
					t.Fatal(err)
				}
			case 9: // a restart
				st := &store{mem}
				if err := st.save(&state{system: 7, incarnation: 2, position: at, pending: txs.all(), catalogs: []byte("catalogs")}); err != nil {
					t.Fatal(err)
				}
				if err := txs.forgotten(); err != nil {
					t.Fatal(err)
				}
				if err := txs.close(); err != nil {
					t.Fatal(err)
				}
				s, err := st.load()
				if err != nil {
					t.Fatal(err)
				}
				if s.system != 7 || s.incarnation != 2 || s.position != at || string(s.catalogs) != "catalogs" {
					t.Fatalf("loaded %+v", s)
				}
				txs = newTransactions(mem, memory)
				txs.adopt(s.pending)
			}
			if len(model) < 4 && txs.used > memory {
				t.Fatalf("%d bytes in memory, expected %d at most", txs.used, memory)
			}
		}
		if err := txs.close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDamagedState checks that no damage to a state passes for one.
func TestDamagedState(t *testing.T) {
	whole := (&state{system: 1, position: 2, pending: []*pending{{xid: 700, log: entriesOf([]byte("log"))}}, catalogs: []byte("catalogs")}).encode()
	if _, err := decodeState(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := decodeState(whole[:n]); !errors.Is(err, errState) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		if _, err := decodeState(flipped); !errors.Is(err, errState) {
			t.Errorf("byte %d changed: %v", n, err)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add((&state{system: 1, position: 2, pending: []*pending{{xid: 700, log: entriesOf([]byte("log"))}}, catalogs: []byte("catalogs")}).encode()[12:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeState(seal(append(make([]byte, 12), b...))); err == nil && len(s.pending) > len(b) {
			t.Fatalf("%d transactions of %d bytes", len(s.pending), len(b))
		}
	})
}

func TestRowCode(t *testing.T) {
	tuple := heap.Tuple{Infomask2: 2, Infomask: 0x0900, Hoff: 24, Body: []byte{0, 1, 2, 3, 4}}
	for _, want := range []heap.Row{
		{Kind: heap.Insert, Relation: wal.Relation{Tablespace: 1663, Database: 5, Number: 16384}, New: tuple, ClearToast: true},
		{Kind: heap.Speculative, New: tuple},
		{Kind: heap.Insert, New: tuple, Toast: true},
		{Kind: heap.Confirm},
		{Kind: heap.SpeculativeAbort},
		{Kind: heap.Update, New: tuple, Old: tuple, HasOld: true, OldIsKey: true},
		{Kind: heap.Update, New: tuple, Old: tuple, HasOld: true},
		{Kind: heap.Delete, Old: tuple, HasOld: true, PartitionMove: true},
		{Kind: heap.Delete},
		{Kind: heap.Truncate, Relids: []uint32{16384, 16390}, Cascade: true, Restart: true},
	} {
		b := appendRow(nil, &want)
		var got heap.Row
		if err := readRow(&got, b); err != nil {
			t.Fatal(err)
		}
		if len(got.Relids) == 0 {
			got.Relids = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nexpected %+v", got, want)
		}
	}
}

func FuzzRowCode(f *testing.F) {
	f.Add(appendRow(nil, &heap.Row{Kind: heap.Truncate, Relids: []uint32{1, 2}}))
	f.Add(appendRow(nil, &heap.Row{Kind: heap.Update, HasOld: true, New: heap.Tuple{Hoff: 24, Body: []byte{0}}, Old: heap.Tuple{Hoff: 24, Body: []byte{0}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r heap.Row
		if readRow(&r, b) == nil && len(r.Relids)*4 > len(b) {
			t.Fatalf("%d relids of %d bytes", len(r.Relids), len(b))
		}
	})
}
