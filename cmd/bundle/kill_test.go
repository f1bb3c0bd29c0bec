package bundle_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestKill kills a program with a database and a subscriber, again and again: while
// sessions write, while it recovers, while the subscriber catches up. What the
// subscriber then has, coming again behind the position that it acknowledged last,
// is compared with what it had before and with the tables.
func TestKill(t *testing.T) {
	rng := rand.New(rand.NewPCG(pickSeed(t), 1))
	k := &killed{t: t, dir: t.TempDir(), witness: newWitness()}
	kills := need.Choose(8, 500)
	if testing.Short() {
		kills = 3
	}
	early, orderly := 0, 0
	for n := range kills {
		if n > 0 && n%50 == 0 {
			t.Logf("%d so far: %d sets with %d changes", n, k.witness.sets, k.witness.changes)
		}
		p := k.start(rng.Uint64())
		switch n := rng.IntN(20); {
		case n < 5:
			early++
			time.Sleep(time.Duration(rng.IntN(800)) * time.Millisecond)
			p.kill()
		case n < 6:
			orderly++
			p.running(t)
			k.await(rng.Int64N(256 << 10))
			p.stop(t)
		default:
			p.running(t)
			k.await(rng.Int64N(256 << 10))
			time.Sleep(time.Duration(rng.IntN(5000)) * time.Microsecond)
			p.kill()
		}
		k.judge()
	}
	p := k.start(rng.Uint64())
	p.running(t)
	p.stop(t)
	k.judge()
	w := k.witness
	if w.dumps == 0 || w.sets == 0 {
		t.Error("nothing was compared")
	}
	t.Logf("%d kills, %d of them at a random moment of the start, and %d ends in order: %d sets with %d changes, %d of them a second time; tables compared %d times",
		kills-orderly, early, orderly, w.sets, w.changes, w.again, w.dumps)
}

// killed is the program that is killed, over its lives.
type killed struct {
	t       *testing.T
	dir     string
	life    int
	last    *process
	witness *witness
}

func (k *killed) start(seed uint64) *process {
	k.t.Helper()
	p := &process{before: k.last, cmd: osexec.Command(os.Args[0], "-test.run=^TestChild$")}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %v", childVar, k.dir, k.life, seed, k.witness.acked))
	p.cmd.Stderr = &p.log
	in, err := p.cmd.StdinPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(p.kill)
	if k.life++; p.before != nil {
		p.before.before = nil
	}
	k.last = p
	return p
}

// await lets the program go on until the journal has grown by some bytes, or for a
// while: the subscriber may have nothing to read.
func (k *killed) await(more int64) {
	name := filepath.Join(k.dir, "journal")
	size := func() int64 {
		info, err := os.Stat(name)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	for begin, tries := size(), 0; size() < begin+more && tries < 1000; tries++ {
		time.Sleep(2 * time.Millisecond)
	}
}

// judge looks at what the subscriber has got in its last life.
func (k *killed) judge() {
	k.t.Helper()
	k.witness.begin()
	if err := takeJournal(filepath.Join(k.dir, "journal"), k.witness.entry); err != nil {
		k.t.Fatalf("life %d: %v\n%s", k.life, err, k.last.logs())
	}
}

type process struct {
	before *process // of the life before
	cmd    *osexec.Cmd
	in     io.Closer
	out    *bufio.Reader
	log    bytes.Buffer
	ended  bool
}

// running waits until all sessions write.
func (p *process) running(t *testing.T) {
	t.Helper()
	said, err := p.out.ReadString('\n')
	if strings.TrimSpace(said) == "running" {
		return
	}
	rest, _ := io.ReadAll(p.out)
	p.kill()
	t.Fatalf("the program says %q, %v\n%s", said+string(rest), err, p.logs())
}

func (p *process) kill() {
	if !p.ended {
		p.ended = true
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// logs are those of its life and of the one before.
func (p *process) logs() string {
	if p.before == nil {
		return p.log.String()
	}
	return p.before.log.String() + "then\n" + p.log.String()
}

// stop lets it end in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	rest, _ := io.ReadAll(p.out)
	p.ended = true
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("the program ends with %v\n%s%s", err, rest, p.logs())
	}
}

// witness holds what the subscriber has been given over all its lives.
type witness struct {
	dec     change.Decoder
	enc     change.Encoder
	replica *replica
	acked   wal.LSN
	// owed are the sets beyond acked, as they were given: the next life has to begin
	// with them.
	owed []given
	next int // of owed in this life
	last place

	sets, changes, again, dumps int
}

type given struct {
	place
	cbor []byte
}

type place struct {
	lsn  wal.LSN
	part int
}

func newWitness() *witness { return &witness{replica: newReplica()} }

// begin begins another life.
func (w *witness) begin() {
	w.next, w.last = 0, place{w.acked, 1 << 30}
	// Parts of a transaction that was not whole come again.
	for len(w.owed) > 0 && w.replica.parts != nil && w.owed[len(w.owed)-1].lsn == w.replica.parts[0].LSN {
		w.owed = w.owed[:len(w.owed)-1]
	}
	w.replica.parts = nil
}

func (w *witness) entry(kind entryKind, payload []byte) error {
	switch kind {
	case acked:
		return w.ack(wal.LSN(binary.LittleEndian.Uint64(payload)))
	case dumped:
		return w.compare(string(payload))
	}
	set, rest, err := w.dec.Decode(payload)
	if err != nil || len(rest) > 0 {
		return errors.Join(err, fmt.Errorf("%d bytes behind a set", len(rest)))
	}
	// A table that a set names twice is one when it was read, so the form is that of
	// what was read.
	if payload, err = w.enc.Append(nil, set); err != nil {
		return err
	}
	if err := w.set(set, payload); err != nil {
		return fmt.Errorf("set at %v, part %d, of transaction %d: %w", set.LSN, set.Part, set.XID, err)
	}
	return nil
}

func (w *witness) set(s *change.Set, cbor []byte) error {
	at := place{s.LSN, s.Part}
	if at.lsn < w.last.lsn || at.lsn == w.last.lsn && at.part <= w.last.part {
		return fmt.Errorf("comes after part %d of %v", w.last.part, w.last.lsn)
	}
	w.last = at
	if w.next < len(w.owed) {
		was := w.owed[w.next]
		w.next++
		w.again++
		switch {
		case was.place != at:
			return fmt.Errorf("comes instead of part %d of %v, which was given before", was.part, was.lsn)
		case !bytes.Equal(was.cbor, cbor):
			return w.changed(s, was.cbor)
		}
		return nil
	}
	w.sets++
	w.changes += len(s.Changes)
	w.owed = append(w.owed, given{at, cbor})
	w.next++
	return w.replica.apply(s)
}

// changed tells how a set differs from what was given before in its place.
func (w *witness) changed(s *change.Set, cbor []byte) error {
	before, _, err := w.dec.Decode(cbor)
	if err != nil {
		return err
	}
	was, is := change.AppendJSON(nil, before), change.AppendJSON(nil, s)
	k := 0
	for k < min(len(was), len(is)) && was[k] == is[k] {
		k++
	}
	from := max(0, k-300)
	return fmt.Errorf("is another than the one that was given before, from byte %d of its JSON on:\n%.600s\nand before:\n%.600s", k, is[from:], was[from:])
}

func (w *witness) ack(lsn wal.LSN) error {
	w.acked = lsn
	for len(w.owed) > 0 && w.owed[0].lsn <= lsn {
		if w.next == 0 {
			return fmt.Errorf("%v is acknowledged, and %v has not come again", lsn, w.owed[0].lsn)
		}
		w.owed = w.owed[1:]
		w.next--
	}
	return nil
}

// compare compares with the tables, before anybody has written to them in this life.
func (w *witness) compare(lines string) error {
	w.dumps++
	if w.next < len(w.owed) {
		return fmt.Errorf("the set at %v was given before and is not there any more", w.owed[w.next].lsn)
	}
	var want []string
	if lines != "" {
		want = strings.Split(lines, "\n")
	}
	if d := difference(w.replica.lines(), want); d != "" {
		return fmt.Errorf("the sets up to %v do not make the tables:\n%s", w.last.lsn, d)
	}
	return nil
}
