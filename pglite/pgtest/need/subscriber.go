package need

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// StartDebian runs the server that the distribution has, whatever its version, until
// the end of t: a Postgres that is neither Howdah's nor built like it, such as one
// that subscribes.
func StartDebian(t testing.TB, settings ...string) *Native {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		Missing(t, "needs a PostgreSQL server (Debian: postgresql-contrib)")
	}
	n := &Native{Host: "127.0.0.1", root: filepath.Dir(filepath.Dir(slices.Max(found))), settings: settings}
	base, err := os.MkdirTemp("", "howdah-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := giveAway(base); err != nil {
		t.Fatalf("hand the cluster's folder to an unprivileged user: %v", err)
	}
	n.SocketDir, n.DataDir, n.LogFile = base, filepath.Join(base, "data"), filepath.Join(base, "log")
	initdb := nativeCommand(filepath.Join(n.root, "bin", "initdb"), base,
		"-D", n.DataDir, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	n.Start(t)
	t.Cleanup(n.stop)
	return n
}

// Start starts the server again after Kill, on another port.
func (n *Native) Start(t testing.TB) {
	t.Helper()
	for try := 1; ; try++ {
		err := n.start(n.root, n.settings)
		if err == nil {
			return
		}
		if try == 10 { // processes of the one before may still be there, or the port taken
			t.Fatalf("postgres: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Stop shuts the server down, with a checkpoint.
func (n *Native) Stop() { n.stop() }

// Kill ends the server as a crash does (SIGKILL).
func (n *Native) Kill() {
	_ = n.cmd.Process.Kill()
	<-n.exited
}
