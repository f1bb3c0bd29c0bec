package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// connect serves one end of a pipe. It must run in a synctest bubble.
func connect(t *testing.T, ctx context.Context, s *Server) (client net.Conn, done chan error) {
	t.Helper()
	client, server := net.Pipe()
	done = make(chan error, 1)
	go func() { done <- s.ServeConn(ctx, server, false) }()
	synctest.Wait()
	return client, done
}

func ended(done chan error) bool {
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// TestSilence lets clients stop at various places before authentication.
func TestSilence(t *testing.T) {
	for name, in := range map[string]string{
		"nothing sent":       "",
		"half a length":      "\x00\x00",
		"half a packet":      "\x00\x00\x00\x10\x00\x03",
		"after SSLRequest":   request(sslRequestCode),
		"asked for password": startup(protocol30, "user", "u"),
		"half an answer":     startup(protocol30, "user", "u") + "p\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(Options{Auth: alwaysSCRAM}, noSecrets)
				client, done := connect(t, t.Context(), s)
				go io.WriteString(client, in)
				answer := make(chan string)
				go func() { b, _ := io.ReadAll(client); answer <- string(b) }()
				time.Sleep(DefaultAuthTimeout - time.Second)
				if ended(done) {
					t.Error("closed too early")
				}
				time.Sleep(time.Second)
				if !ended(done) {
					t.Error("still open")
					client.Close()
				}
				if a := <-answer; strings.ContainsRune(a, 'E') {
					t.Errorf("a silent client was told %q", a)
				}
			})
		})
	}
}

// TestDribbleDoesNotExtend sends a byte every second: the time-out is for all
// of start-up, not for each byte.
func TestDribbleDoesNotExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(Options{}, noSecrets)
		client, done := connect(t, t.Context(), s)
		begin := time.Now()
		io.WriteString(client, "\x00\x00\x10\x00")
		for {
			time.Sleep(time.Second)
			if _, err := client.Write([]byte{'x'}); err != nil {
				break
			}
		}
		if d := time.Since(begin); d > DefaultAuthTimeout+time.Second {
			t.Errorf("open for %v", d)
		}
		<-done
	})
}

func TestTooManyClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(Options{Auth: alwaysSCRAM, MaxClients: 1}, noSecrets)
		first, done := connect(t, t.Context(), s)
		io.WriteString(first, startup(protocol30, "user", "u"))
		if _, err := io.ReadFull(first, make([]byte, len(askSASL))); err != nil {
			t.Fatal(err)
		}
		answer, open := talk(t, s, startup(protocol30, "user", "u"), 1<<10)
		if want := fatalMessage("53300", "sorry, too many clients already"); answer != want || open {
			t.Errorf("got %q, want %q", answer, want)
		}
		if answer, open := talk(t, s, packet("\x04\xd2\x16\x2e\x00\x00\x00\x01abcd"), 1<<10); answer != "" || open {
			t.Errorf("a cancel request got %q", answer)
		}
		first.Close()
		<-done
		if answer, _ := talk(t, s, startup(protocol30, "user", "u"), 1<<10); answer != askSASL {
			t.Errorf("after the first has left: %q", answer)
		}
	})
}

// TestPanic lets the policy, which is the caller's code, panic.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newServer(Options{Auth: func(Peer) AuthMethod { panic("boom") }, Logger: zerolog.New(&log)}, noSecrets)
		answer, open := talk(t, s, startup(protocol30, "user", "u"), 1<<10)
		if want := fatalMessage("XX000", "internal error of the server"); answer != want || open {
			t.Errorf("got %q, want %q", answer, want)
		}
		if !strings.Contains(log.String(), "boom") || !strings.Contains(log.String(), "TestPanic") {
			t.Errorf("log without panic and stack: %s", log.String())
		}
	})
}

func TestSecretLookupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(Options{Auth: alwaysSCRAM}, func(context.Context, string) (string, error) {
			return "", fatal("53300", "no backend")
		})
		answer, _ := talk(t, s, startup(protocol30, "user", "u"), 1<<10)
		if want := fatalMessage("53300", "no backend"); answer != want {
			t.Errorf("got %q, want %q", answer, want)
		}
	})
}

func TestReplicationRefused(t *testing.T) {
	for value, want := range map[string]string{
		"database": "replication connections are not supported",
		"true":     "physical replication is not supported",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(Options{Auth: func(Peer) AuthMethod { return AuthTrust }}, noSecrets)
			answer, _ := talk(t, s, startup(protocol30, "user", "u", "replication", value), 1<<10)
			if want := "R\x00\x00\x00\x08\x00\x00\x00\x00" + fatalMessage("0A000", want); answer != want {
				t.Errorf("got %q, want %q", answer, want)
			}
		})
	}
}

// TestShutdownBeforeSession ends connections that have not come to a session,
// however much time Shutdown has.
func TestShutdownBeforeSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(Options{Auth: alwaysSCRAM}, noSecrets)
		_, silent := connect(t, t.Context(), s)
		client, asked := connect(t, t.Context(), s)
		io.WriteString(client, startup(protocol30, "user", "u"))
		if _, err := io.ReadFull(client, make([]byte, len(askSASL))); err != nil {
			t.Fatal(err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if !ended(silent) || !ended(asked) {
			t.Error("connections outlive Shutdown")
		}
		late, server := net.Pipe()
		if err := s.ServeConn(t.Context(), server, false); !errors.Is(err, errServerClosed) {
			t.Errorf("after Shutdown: %v", err)
		}
		if _, err := late.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a late connection reads %v", err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error("second Shutdown:", err)
		}
	})
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestServeEnds looks at what Serve returns, on two listeners at once.
func TestServeEnds(t *testing.T) {
	t.Run("shutdown", func(t *testing.T) {
		s := newServer(Options{}, noSecrets)
		errs := make(chan error, 2)
		for range 2 {
			l := listen(t)
			go func() { errs <- s.Serve(t.Context(), l) }()
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			// Answered, so both listeners are known to the server.
			io.WriteString(nc, request(sslRequestCode))
			if _, err := io.ReadFull(nc, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("context", func(t *testing.T) {
		s := newServer(Options{}, noSecrets)
		ctx, cancel := context.WithCancel(t.Context())
		l := listen(t)
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		time.AfterFunc(0, cancel)
		if err := s.Serve(ctx, l); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("listener", func(t *testing.T) {
		s := newServer(Options{}, noSecrets)
		l := listen(t)
		l.Close()
		if err := s.Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestNewWithoutCluster(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("New without a cluster has no error")
	}
}
