package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
)

const ready = "Z\x00\x00\x00\x05I"

// streamPair is a stream and its client's end, on which all is read.
func streamPair(t *testing.T) (*stream, net.Conn) {
	client, server := net.Pipe()
	go io.Copy(io.Discard, client)
	t.Cleanup(func() { client.Close(); server.Close() })
	return newStream(server), client
}

// readAsync reads once, on a goroutine of its own.
func readAsync(s *stream) chan error {
	err := make(chan error, 1)
	go func() {
		_, e := s.Read(make([]byte, 10))
		err <- e
	}()
	synctest.Wait()
	return err
}

func pending(t *testing.T, err chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case e := <-err:
		t.Errorf("Read has ended: %v", e)
	default:
	}
}

func TestDrain(t *testing.T) {
	run := func(name string, f func(t *testing.T, s *stream, client net.Conn)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client := streamPair(t)
				f(t, s, client)
			})
		})
	}
	say := func(t *testing.T, s *stream, parts ...string) {
		t.Helper()
		for _, p := range parts {
			io.WriteString(s, p)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	run("idle and reading", func(t *testing.T, s *stream, _ net.Conn) {
		say(t, s, ready)
		err := readAsync(s)
		s.drain()
		if e := <-err; !errors.Is(e, errDrained) || s.ended() != errDrained {
			t.Error(e)
		}
	})
	run("idle, before the read", func(t *testing.T, s *stream, _ net.Conn) {
		say(t, s, "C....", "Z\x00", "\x00\x00\x05", "T") // in pieces
		s.drain()
		if e := <-readAsync(s); !errors.Is(e, errDrained) {
			t.Error(e)
		}
	})
	run("statement reads on, then idle", func(t *testing.T, s *stream, client net.Conn) {
		say(t, s, ready)
		first := readAsync(s)
		io.WriteString(client, "COPY")
		if e := <-first; e != nil {
			t.Fatal(e)
		}
		err := readAsync(s)
		s.drain()
		pending(t, err)
		io.WriteString(client, "data")
		if e := <-err; e != nil {
			t.Error(e)
		}
		say(t, s, "G....") // an answer that is not the last
		err = readAsync(s)
		pending(t, err)
		io.WriteString(client, "done")
		if e := <-err; e != nil {
			t.Error(e)
		}
		say(t, s, "C....", ready)
		if e := <-readAsync(s); !errors.Is(e, errDrained) {
			t.Error(e)
		}
	})
	run("becomes idle while another goroutine reads", func(t *testing.T, s *stream, _ net.Conn) {
		err := readAsync(s)
		s.drain()
		pending(t, err)
		say(t, s, ready)
		if e := <-err; !errors.Is(e, errDrained) {
			t.Error(e)
		}
	})
	run("kill", func(t *testing.T, s *stream, _ net.Conn) {
		err := readAsync(s)
		s.kill()
		if e := <-err; !errors.Is(e, os.ErrDeadlineExceeded) || s.ended() != nil {
			t.Error(e)
		}
		say(t, s, "E....") // the farewell
	})
	run("kill after drain", func(t *testing.T, s *stream, _ net.Conn) {
		err := readAsync(s)
		s.drain()
		pending(t, err)
		s.kill()
		if e := <-err; !errors.Is(e, os.ErrDeadlineExceeded) {
			t.Error(e)
		}
	})
}

// TestKillUnblocksWriter kills a stream whose client does not read.
func TestKillUnblocksWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		s := newStream(server)
		wrote := make(chan error)
		go func() {
			_, err := s.Write(make([]byte, 1<<20))
			wrote <- err
		}()
		synctest.Wait()
		s.kill()
		if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}
