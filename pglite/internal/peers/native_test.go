package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// native18 is npm's build, which package need knows.
func native18(name string, settings ...string) *server {
	s := &server{name: name}
	s.start = func(t testing.TB) error {
		n := need.StartNative(t, settings...)
		s.url, s.stop = n.URL("postgres"), func() {}
		pid, err := os.ReadFile(filepath.Join(n.DataDir, "postmaster.pid"))
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(pid), "\n")
		s.pid, err = strconv.Atoi(first)
		return err
	}
	return s
}

// debian15 is where Debian 12's package postgresql-15 is.
const debian15 = "/usr/lib/postgresql/15/bin"

// nobody is the kernel's overflow uid and gid, which own nothing.
const nobody = 65534

var nativeReady = regexp.MustCompile(`(ready to accept connections)`)

// native15 is Debian's, with the settings of native18 as far as it has them.
// It is nobody's duty to have it: later Debians don't.
func native15(name string, settings ...string) *server {
	s := &server{name: name}
	s.start = func(t testing.TB) error {
		if _, err := os.Stat(filepath.Join(debian15, "postgres")); err != nil {
			t.Skipf("needs Debian's postgresql-15: %v", err)
		}
		// Not t.TempDir: it is closed to the user that the server runs as.
		dir, err := os.MkdirTemp("", "howdah-pg15-")
		if err != nil {
			return err
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if os.Geteuid() == 0 {
			if err := os.Chown(dir, nobody, nobody); err != nil {
				return err
			}
		}
		data := filepath.Join(dir, "data")
		initdb := unprivileged(dir, filepath.Join(debian15, "initdb"), "-D", data, "--username=postgres", "--auth=trust",
			"--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
		if out, err := initdb.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, out)
		}
		port, err := freePort()
		if err != nil {
			return err
		}
		args := []string{"-D", data, "-p", strconv.Itoa(port)}
		for _, setting := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "wal_level=logical",
			"max_parallel_workers=0", "max_parallel_workers_per_gather=0", "max_parallel_maintenance_workers=0"}, settings...) {
			args = append(args, "-c", setting)
		}
		cmd := unprivileged(dir, filepath.Join(debian15, "postgres"), args...)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			return err
		}
		s.url = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
		_, err = s.run(t, cmd, stderr, nativeReady, os.Interrupt)
		return err
	}
	return s
}

// unprivileged is a command that runs as nobody if we are root, which Postgres
// refuses to be run by, and that knows nothing of the tester's locale and time zone.
func unprivileged(dir, program string, args ...string) *exec.Cmd {
	if os.Geteuid() == 0 {
		id := strconv.Itoa(nobody)
		args = append([]string{"--reuid", id, "--regid", id, "--clear-groups", "--pdeathsig", "QUIT", program}, args...)
		program = "setpriv" // util-linux
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	return cmd
}
