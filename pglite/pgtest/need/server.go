package need

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite/internal/catalog"
)

// startTimeout bounds initdb and the wait for a native server to be ready.
const startTimeout = 2 * time.Minute

// Native is a running native PostgreSQL 18 with its own throw-away cluster,
// made with the options of Howdah's clusters and the view that they have beyond
// Postgres' own. It trusts everyone on loopback
// and on its socket.
type Native struct {
	Host      string // 127.0.0.1
	Port      int
	SocketDir string
	DataDir   string
	LogFile   string

	root     string   // folder with bin
	settings []string // of every start
	cmd      *exec.Cmd
	exited   chan struct{}
}

// URL returns the address of a database, with role postgres and no TLS.
func (n *Native) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User("postgres"),
		Host:     net.JoinHostPort(n.Host, strconv.Itoa(n.Port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// StartNative runs a native server until the end of t. settings are
// "name=value", later ones win. Postgres refuses to run as root: then the
// server runs as the user nobody.
func StartNative(t testing.TB, settings ...string) *Native {
	t.Helper()
	pg := NativePostgres(t)
	// Not t.TempDir: another user must reach it, and a socket's path may have
	// 107 bytes only.
	base, err := os.MkdirTemp("", "howdah-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := giveAway(base); err != nil {
		t.Fatalf("hand the cluster's folder to an unprivileged user: %v", err)
	}
	n := &Native{
		Host:      "127.0.0.1",
		root:      pg,
		settings:  append(slices.Clone(likeHowdah), settings...),
		SocketDir: base,
		DataDir:   filepath.Join(base, "data"),
		LogFile:   filepath.Join(base, "log"),
	}
	input := filepath.Join(base, "share")
	if err := shareWithView(pg, input); err != nil {
		t.Fatal(err)
	}
	initdb := nativeCommand(filepath.Join(pg, "bin", "initdb"), base,
		"-D", n.DataDir, "-L", input, "--username=postgres", "--auth=trust", "--allow-group-access",
		"--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=libc", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("native initdb: %v (is %s readable to every user?)\n%s", err, pg, out)
	}
	// A port is free only until another process takes it: ask for a new one then.
	for try := 1; ; try++ {
		err := n.start(pg, n.settings)
		if err == nil {
			break
		}
		if try == 5 || !errors.Is(err, errPortTaken) {
			t.Fatalf("native postgres: %v", err)
		}
	}
	t.Cleanup(n.stop)
	return n
}

// likeHowdah is what a cluster of one process has to say, so that plans are the same.
var likeHowdah = []string{
	"io_method=sync",
	"max_parallel_workers=0",
	"max_parallel_workers_per_gather=0",
	"max_parallel_maintenance_workers=0",
}

// shareWithView makes the folder that initdb takes its input from.
func shareWithView(pg, dir string) error {
	share := filepath.Join(pg, "share", "postgresql")
	files, err := os.ReadDir(share)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() == catalog.SystemViews {
			continue
		}
		if err := os.Symlink(filepath.Join(share, f.Name()), filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	views, err := os.ReadFile(filepath.Join(share, catalog.SystemViews))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, catalog.SystemViews), catalog.Extend(views), 0o644)
}

var errPortTaken = errors.New("port taken")

func (n *Native) start(pg string, settings []string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	args := []string{"-D", n.DataDir, "-p", strconv.Itoa(port), "-k", n.SocketDir}
	for _, s := range append([]string{
		"listen_addresses=" + n.Host,
		"fsync=off",
		"wal_level=logical",
	}, settings...) {
		args = append(args, "-c", s)
	}
	logFile, err := os.Create(n.LogFile)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := nativeCommand(filepath.Join(pg, "bin", "postgres"), n.SocketDir, args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return err
	}
	n.Port, n.cmd, n.exited = port, cmd, make(chan struct{})
	go func() {
		defer close(n.exited)
		_ = cmd.Wait() // the log says more than the status does
	}()
	return n.awaitReady()
}

// awaitReady reads postmaster.pid, whose line 8 is the postmaster's state
// (src/include/utils/pidfile.h, LOCK_FILE_LINE_PM_STATUS).
func (n *Native) awaitReady() error {
	deadline := time.After(startTimeout)
	for {
		pid, _ := os.ReadFile(filepath.Join(n.DataDir, "postmaster.pid"))
		lines := strings.Split(string(pid), "\n")
		if len(lines) >= 8 && lines[0] == strconv.Itoa(n.cmd.Process.Pid) && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		select {
		case <-n.exited:
			log, _ := os.ReadFile(n.LogFile)
			if bytes.Contains(log, []byte("Address already in use")) {
				return errPortTaken
			}
			return fmt.Errorf("exited at start:\n%s", log)
		case <-deadline:
			n.stop()
			log, _ := os.ReadFile(n.LogFile)
			return fmt.Errorf("not ready after %v:\n%s", startTimeout, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop asks for a fast shutdown, which ends sessions instead of waiting for them.
func (n *Native) stop() {
	if err := n.cmd.Process.Signal(os.Interrupt); err != nil {
		_ = n.cmd.Process.Kill()
	}
	<-n.exited
}

// nativeCommand keeps the tester's locale, time zone and libpq variables out of
// the cluster.
func nativeCommand(program, dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = unprivileged()
	return cmd
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
