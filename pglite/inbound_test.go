package pglite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// bytesClient is a client that has sent some bytes and left.
type bytesClient struct{ *bytes.Reader }

func (c bytesClient) Write(p []byte) (int, error) { return len(p), nil }
func (c bytesClient) Flush() error                { return nil }
func (c bytesClient) Buffered() int               { return c.Len() }

// TestPromisedLengthTakesNoMemory: only what has come of a message is kept,
// and not after the next.
func TestPromisedLengthTakesNoMemory(t *testing.T) {
	head := []byte{'P', 0, 0, 0, 0}
	binary.BigEndian.PutUint32(head[1:], maxMessage)
	in := newInbound(bytesClient{bytes.NewReader(append(head, "short"...))})
	if err := in.next(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := in.prefix(in.size()); err != errGone {
		t.Errorf("prefix of a part gives %v", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated for 5", n)
	}

	big := message('P', bytes.Repeat([]byte("x"), 1<<20))
	in = newInbound(bytesClient{bytes.NewReader(append(big, message('S')...))})
	if err := in.next(); err != nil {
		t.Fatal(err)
	}
	if p, err := in.prefix(in.size()); err != nil || !bytes.Equal(p, big[headerSize:]) {
		t.Fatalf("prefix gives %d bytes, %v", len(p), err)
	}
	got, err := io.ReadAll(feedReader{&in})
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("the message has %d bytes, %v", len(got), err)
	}
	if err := in.next(); err != nil || in.buf != nil {
		t.Errorf("a buffer of %d bytes is kept, %v", cap(in.peek), err)
	}
}

type feedReader struct{ in *inbound }

func (r feedReader) Read(p []byte) (int, error) {
	if r.in.empty() {
		return 0, io.EOF
	}
	return r.in.read(p)
}

// choppyClient gives what it has sent in pieces of any size, of which it has
// some at hand.
type choppyClient struct {
	bytesClient
	rnd  *rand.Rand
	hand int
}

func (c *choppyClient) Buffered() int { return c.hand }

func (c *choppyClient) Read(p []byte) (int, error) {
	if c.hand == 0 {
		c.hand = min(1+c.rnd.IntN(1<<c.rnd.IntN(16)), c.Len())
	}
	n, err := c.bytesClient.Read(p[:min(len(p), max(c.hand, 1))])
	c.hand -= n
	return n, err
}

// TestInboundPieces reads random messages in random ways, and finds the same
// bytes however they come.
func TestInboundPieces(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for round := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, round))
		var sent [][]byte
		for range 1 + rnd.IntN(20) {
			body := make([]byte, rnd.IntN(1<<rnd.IntN(18)))
			for k := range body {
				body[k] = byte(rnd.Uint32())
			}
			typ := byte('Q')
			if rnd.IntN(3) == 0 {
				typ, body = 'S', nil
			}
			sent = append(sent, message(typ, body))
		}
		in := newInbound(&choppyClient{bytesClient: bytesClient{bytes.NewReader(slices.Concat(sent...))}, rnd: rnd})
		for k, want := range sent {
			if err := in.next(); err != nil {
				t.Fatal(err)
			}
			if in.buf != nil || in.typ != want[0] || in.size() != len(want)-headerSize {
				t.Fatalf("round %d: message %d is %c of %d bytes, with a buffer: %v", round, k, in.typ, in.size(), in.buf != nil)
			}
			for rnd.IntN(2) == 0 {
				n := rnd.IntN(len(want))
				if got, err := in.prefix(n); err != nil || !bytes.Equal(got, want[headerSize:][:min(n, len(want)-headerSize)]) {
					t.Fatalf("round %d: prefix of %d gives %d bytes, %v", round, n, len(got), err)
				}
			}
			if in.syncFollows() && (k+1 == len(sent) || sent[k+1][0] != 'S') {
				t.Fatalf("round %d: a Sync follows message %d", round, k)
			}
			if rnd.IntN(4) == 0 {
				if err := in.discard(); err != nil || !in.empty() {
					t.Fatalf("round %d: discard: %v", round, err)
				}
				continue
			}
			var got []byte
			for !in.empty() {
				if !in.atHand() {
					if err := in.await(); err != nil || !in.atHand() {
						t.Fatalf("round %d: await: %v", round, err)
					}
				}
				p := make([]byte, 1+rnd.IntN(1<<rnd.IntN(15)))
				n, err := in.read(p)
				if err != nil || n == 0 {
					t.Fatalf("round %d: read gives %d bytes, %v", round, n, err)
				}
				got = append(got, p[:n]...)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("round %d: other bytes of message %d", round, k)
			}
		}
		if err := in.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("round %d: after the last message: %v", round, err)
		}
	}
}

// TestSyncFollows looks at what comes behind a message, and reads it then.
func TestSyncFollows(t *testing.T) {
	for _, test := range []struct {
		behind []byte
		want   bool
	}{
		{nil, false},
		{message('S'), true},
		{message('H'), false},
		{message('S')[:4], false},
		{slices.Concat(message('S'), message('S')), false},
		{message('P', []byte("x")), false},
	} {
		in := newInbound(bytesClient{bytes.NewReader(append(message('P', []byte("body")), test.behind...))})
		if err := in.next(); err != nil {
			t.Fatal(err)
		}
		if in.syncFollows() {
			t.Error("before the body was read")
		}
		if _, err := in.prefix(in.size()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := in.syncFollows(); got != test.want {
				t.Errorf("behind it %q: %v", test.behind, got)
			}
		}
		if in.buffered() != len(test.behind) {
			t.Errorf("behind it %q: %d bytes at hand", test.behind, in.buffered())
		}
		if err := in.discard(); err != nil {
			t.Fatal(err)
		}
		if err := in.next(); len(test.behind) >= headerSize && (err != nil || in.typ != test.behind[0]) {
			t.Errorf("behind it %q: %c, %v", test.behind, in.typ, err)
		}
	}
}
