package driver

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPipeCarries sends random bytes in pieces of random sizes both ways at once.
func TestPipeCarries(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	a, b := newPipe()
	var wg sync.WaitGroup
	for i, ends := range [][2]net.Conn{{a, b}, {b, a}} {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		sent := make([]byte, 1<<20)
		for i := range sent {
			sent[i] = byte(rnd.Uint32())
		}
		wg.Go(func() {
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 1+rnd.IntN(3*maxRing))
				if m, err := ends[0].Write(rest[:n]); err != nil || m != n {
					t.Errorf("Write: %d, %v", m, err)
				}
				rest = rest[n:]
			}
		})
		sizes := rand.New(rand.NewPCG(seed, uint64(i+2)))
		wg.Go(func() {
			var got []byte
			for len(got) < len(sent) {
				p := make([]byte, 1+sizes.IntN(3*minRing))
				n, err := ends[1].Read(p)
				if err != nil {
					t.Errorf("Read: %v", err)
					return
				}
				got = append(got, p[:n]...)
			}
			if !bytes.Equal(got, sent) {
				t.Error("other bytes arrive")
			}
		})
	}
	wg.Wait()
}

func TestPipeBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPipe()
		a.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := a.Write(make([]byte, 2*maxRing))
		if n != maxRing || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %d, %v", n, err)
		}
		b.Close()
		a.SetWriteDeadline(time.Time{})
		if _, err := a.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write to a closed peer: %v", err)
		}
	})
}

func TestPipeClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPipe()
		told := 0
		b.OnPeerClose(func() { told++ })
		reading := make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			reading <- err
		}()
		synctest.Wait()
		io.WriteString(a, "last words")
		a.Close()
		a.Close()
		if err := <-reading; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a Read under way: %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close: %v", err)
		}
		if rest, err := io.ReadAll(b); string(rest) != "last words" || err != nil {
			t.Errorf("peer reads %q, %v", rest, err)
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
		b.OnPeerClose(func() { told++ })
		if told != 2 {
			t.Error("not told of what has been")
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPipe()
		timedOut := func(want time.Duration) {
			t.Helper()
			begin := time.Now()
			_, err := a.Read(make([]byte, 1))
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begin) != want {
				t.Errorf("after %v: %v", time.Since(begin), err)
			}
		}
		a.SetReadDeadline(time.Now().Add(time.Second))
		timedOut(time.Second)
		timedOut(0) // it stays
		a.SetDeadline(time.Unix(1, 0))
		io.WriteString(b, "x")
		timedOut(0) // even if there are bytes
		a.SetDeadline(time.Time{})
		if n, err := a.Read(make([]byte, 10)); n != 1 || err != nil {
			t.Errorf("Read: %d, %v", n, err)
		}

		a.SetReadDeadline(time.Now().Add(time.Second))
		a.SetReadDeadline(time.Now().Add(time.Hour)) // replaced
		time.AfterFunc(time.Minute, func() { a.SetReadDeadline(time.Now()) })
		timedOut(time.Minute) // a Read under way is woken up
	})
}

func BenchmarkPipeRoundTrip(b *testing.B) {
	for name, pair := range map[string]func() (net.Conn, net.Conn){
		"ring":     func() (net.Conn, net.Conn) { a, b := newPipe(); return a, b },
		"net.Pipe": net.Pipe,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			client, server := pair()
			done := make(chan struct{})
			go func() {
				defer close(done)
				io.Copy(server, server)
			}()
			p := make([]byte, 100)
			for b.Loop() {
				client.Write(p)
				io.ReadFull(client, p)
			}
			client.Close()
			<-done
		})
	}
}
