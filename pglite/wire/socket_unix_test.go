//go:build unix

package wire

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// socketDir is short: the path of a Unix socket has 104 bytes on darwin.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestListenUnix(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, ".s.PGSQL.5433")
	l, err := ListenUnix(dir, 5433)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("socket: %v, %v", info.Mode(), err)
	}
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("files %q", got)
	}
	if l.Addr().String() != path {
		t.Errorf("address %v", l.Addr())
	}
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if _, err := ListenUnix(dir, 5433); !errors.Is(err, ErrSocketInUse) {
		t.Errorf("second server: %v", err)
	}
	other, err := ListenUnix(dir, 5434)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []net.Listener{other, l} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if got := names(t, dir); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

// TestStaleSocket finds what a killed server leaves.
func TestStaleSocket(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, ".s.PGSQL.5432")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if err := os.WriteFile(path+".lock", []byte("999999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ListenUnix(dir, 5432)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// TestForeignServer finds a server that writes a lock file but does not lock it.
func TestForeignServer(t *testing.T) {
	for _, lock := range []string{"", "4711\n"} {
		dir := socketDir(t)
		path := filepath.Join(dir, ".s.PGSQL.5432")
		foreign, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer foreign.Close()
		if lock != "" {
			if err := os.WriteFile(path+".lock", []byte(lock), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := ListenUnix(dir, 5432); !errors.Is(err, ErrSocketInUse) {
			t.Errorf("got %v", err)
		}
		if got, err := os.ReadFile(path + ".lock"); string(got) != lock || (err != nil) != (lock == "") {
			t.Errorf("its lock file is %q now, %v", got, err)
		}
	}
}

func TestPeerClosed(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			addr := "127.0.0.1:0"
			if network == "unix" {
				addr = filepath.Join(socketDir(t), "s")
			}
			l, err := net.Listen(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			client, err := net.Dial(network, l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			s := newServer(Options{}, noSecrets)
			e, _ := s.enter(t.Context(), server)
			w := startWatcher(1)
			defer w.stop()
			w.watch(server, e)
			if err := e.ctx.Err(); err != nil {
				t.Error("gone while connected:", err)
			}
			client.Close()
			<-e.ctx.Done()
			if err := context.Cause(e.ctx); err != errClientGone {
				t.Error(err)
			}
		})
	}
}
