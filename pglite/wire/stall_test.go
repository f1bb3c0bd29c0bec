package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pacedPair is a stream with a limit and its client's end. It must run in a
// synctest bubble.
func pacedPair(t *testing.T, limit time.Duration) (*stream, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close(); server.Close() })
	s := newStream(server)
	if err := s.begin(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	return s, client
}

// pump reads until it fails, and tells how long that took and why.
func pump(s *stream) chan stallResult {
	done := make(chan stallResult, 1)
	go func() {
		begin := time.Now()
		n, err := io.Copy(io.Discard, s)
		done <- stallResult{n, time.Since(begin), err}
	}()
	return done
}

type stallResult struct {
	read int64
	took time.Duration
	err  error
}

// TestStalledMessage lets a client leave off at every place of a message, after
// a whole one and an hour of silence.
func TestStalledMessage(t *testing.T) {
	const query = "Q\x00\x00\x00\x08abcd"
	for cut := 1; cut < len(query); cut++ {
		synctest.Test(t, func(t *testing.T) {
			s, client := pacedPair(t, time.Minute)
			done := pump(s)
			io.WriteString(client, query)
			time.Sleep(time.Hour)
			io.WriteString(client, query[:cut])
			r := <-done
			if r.err != errStalled || s.ended() != errStalled || r.took != time.Hour+time.Minute || r.read != int64(len(query)+cut) {
				t.Errorf("cut at %d: after %d bytes and %v: %v", cut, r.read, r.took, r.err)
			}
		})
	}
}

// TestStallOfOldMessage: a message that came slowly, but came, does not count
// when its deadline passes.
func TestStallOfOldMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := pacedPair(t, time.Minute)
		done := pump(s)
		for range 3 {
			for _, b := range []byte("Q\x00\x00\x00\x05x") {
				client.Write([]byte{b})
				time.Sleep(9 * time.Second)
			}
			time.Sleep(time.Hour)
		}
		client.Close()
		if r := <-done; r.err != nil || r.read != 3*6 {
			t.Errorf("after %d bytes: %v", r.read, r.err)
		}
	})
}

// TestDribbledMessage: a byte now and then does not keep a connection alive,
// a quota does, and so does a limit of none.
func TestDribbledMessage(t *testing.T) {
	const header = "d\x3f\xff\xff\xff"
	for _, test := range []struct {
		name  string
		limit time.Duration
		piece int
		every time.Duration
		want  time.Duration // 0: it goes on
	}{
		{"a byte", time.Minute, 1, time.Second, time.Minute},
		{"half the quota", time.Minute, paceQuota / 120, time.Second, time.Minute},
		{"twice the quota", time.Minute, paceQuota / 30, time.Second, 0},
		{"the quota at once", time.Minute, paceQuota, 59 * time.Second, 0},
		{"no limit", 0, 1, time.Minute, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client := pacedPair(t, test.limit)
				done := pump(s)
				io.WriteString(client, header)
				for range 300 {
					time.Sleep(test.every)
					client.SetWriteDeadline(time.Now().Add(time.Millisecond)) // nobody may read any more
					if _, err := client.Write(make([]byte, test.piece)); err != nil {
						break
					}
				}
				client.Close()
				r := <-done
				if test.want == 0 && r.err != nil || test.want > 0 && (r.err != errStalled || r.took != test.want) {
					t.Errorf("after %d bytes and %v: %v", r.read, r.took, r.err)
				}
			})
		})
	}
}

// TestServersTimeIsFree: only the time in which the server waits counts.
func TestServersTimeIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := pacedPair(t, time.Minute)
		go io.WriteString(client, "d\x00\x00\xff\xff")
		p := make([]byte, 5)
		if _, err := io.ReadFull(s, p); err != nil {
			t.Fatal(err)
		}
		for k := range 5 {
			time.Sleep(time.Hour) // a statement, say
			go func() {
				time.Sleep(10 * time.Second)
				client.Write(make([]byte, 5))
			}()
			if _, err := io.ReadFull(s, p); err != nil {
				t.Fatalf("piece %d: %v", k, err)
			}
		}
		begin := time.Now()
		if _, err := s.Read(p); err != errStalled || time.Since(begin) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// TestStallAndDrain: a server that shuts down waits for a message that has
// begun, but not for ever.
func TestStallAndDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := pacedPair(t, time.Minute)
		done := pump(s)
		io.WriteString(client, "Q\x00\x00")
		time.Sleep(20 * time.Second)
		s.drain()
		if r := <-done; r.err != errStalled || r.took != time.Minute {
			t.Errorf("after %v: %v", r.took, r.err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, client := pacedPair(t, time.Minute)
		done := pump(s)
		io.WriteString(client, "Q\x00\x00")
		time.Sleep(20 * time.Second)
		s.kill()
		if r := <-done; !errors.Is(r.err, os.ErrDeadlineExceeded) || r.took != 20*time.Second || s.ended() != nil {
			t.Errorf("after %v: %v", r.took, r.err)
		}
	})
}

// TestDeafClient writes more than a client takes.
func TestDeafClient(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit time.Duration
		take  int
		every time.Duration
		deaf  bool
	}{
		{"takes nothing", time.Minute, 0, time.Second, true},
		{"takes some", time.Minute, 4 << 10, 40 * time.Second, false},
		{"takes some late", time.Minute, 4 << 10, 90 * time.Second, true},
		{"no limit", 0, 4 << 10, time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client := pacedPair(t, test.limit)
				rnd := rand.New(rand.NewPCG(1, 2))
				sent := make([]byte, 200<<10)
				for k := range sent {
					sent[k] = byte(rnd.Uint32())
				}
				var got []byte
				read := make(chan struct{})
				go func() {
					defer close(read)
					for p := make([]byte, test.take); test.take > 0 && len(got) < len(sent); {
						time.Sleep(test.every)
						n, err := io.ReadFull(client, p)
						got = append(got, p[:n]...)
						if err != nil {
							return
						}
					}
				}()
				time.Sleep(time.Hour) // nothing is due
				begin := time.Now()
				rest := sent
				var err error
				for len(rest) > 0 && err == nil {
					n := min(len(rest), 1+rnd.IntN(100<<10))
					_, err = s.Write(rest[:n])
					rest = rest[n:]
				}
				if err == nil {
					err = s.Flush()
				}
				took := time.Since(begin)
				if !test.deaf {
					s.mu.nc.Close()
					<-read
					if err != nil || !bytes.Equal(got, sent) {
						t.Errorf("got %d bytes of %d; %v", len(got), len(sent), err)
					}
					return
				}
				if err != errDeaf || s.ended() != errDeaf || took < 3*test.limit/4 {
					t.Errorf("after %v: %v", took, err)
				}
				if test.take == 0 && took > test.limit {
					t.Errorf("it took %v", took)
				}
				if _, err := s.Write([]byte("x")); err == nil {
					err = s.Flush()
				} else if err != errDeaf {
					t.Errorf("then %v", err)
				}
				client.Close()
				<-read
			})
		})
	}
}

// TestIdleHoldsNothing looks for buffers after a message and its answer.
func TestIdleHoldsNothing(t *testing.T) {
	l := listen(t)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := newStream(server)
	for range 2 {
		large := message('Q', string(make([]byte, 100<<10)))
		go io.WriteString(client, large)
		if _, err := io.ReadFull(s, make([]byte, len(large))); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(make([]byte, 10<<10)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(s, ready); err != nil {
			t.Fatal(err)
		}
		if s.out.block == nil {
			t.Error("nothing is written before Flush")
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if s.in.block != nil || s.in.small != nil || s.in.rest != nil || s.out.block != nil {
			t.Error("an idle stream holds a buffer")
		}
	}
}

// TestReader sends random pieces over every kind of connection, and reads them
// in others.
func TestReader(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			client, server := net.Pipe()
			if network == "tcp" {
				l := listen(t)
				defer l.Close()
				var err error
				if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
					t.Fatal(err)
				}
				if server, err = l.Accept(); err != nil {
					t.Fatal(err)
				}
			}
			defer server.Close()
			sent := make([]byte, 1<<20)
			for k := range sent {
				sent[k] = byte(rnd.Uint32())
			}
			go func() {
				defer client.Close()
				rnd := rand.New(rand.NewPCG(seed, 1))
				for rest := sent; len(rest) > 0; {
					n := min(len(rest), 1+rnd.IntN(1<<rnd.IntN(18)))
					if _, err := client.Write(rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
			}()
			r := newReader(server)
			var got []byte
			for {
				if rnd.IntN(8) == 0 {
					if b, err := r.peek(); err == nil && b != sent[len(got)] {
						t.Fatalf("byte %d: peek gives another", len(got))
					}
				}
				p := make([]byte, 1+rnd.IntN(1<<rnd.IntN(16)))
				had := r.Buffered()
				n, err := r.read(p, rnd.IntN(2) == 0)
				if had > 0 && n != min(had, len(p)) {
					t.Fatalf("%d bytes of %d that were at hand", n, had)
				}
				got = append(got, p[:n]...)
				if err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					break
				}
			}
			if !bytes.Equal(got, sent) {
				t.Errorf("%d bytes arrive of %d, or others", len(got), len(sent))
			}
		})
	}
}
