package peers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite/internal/need"
)

// What the peer is, by its packages on npm.
const (
	pglitePackage = "@electric-sql/pglite@0.5.16"
	socketPackage = "@electric-sql/pglite-socket@0.2.17"
)

// patience bounds a start: the first one compiles Postgres.
const patience = 3 * time.Minute

// server is one that pgbench can be run against.
type server struct {
	name  string
	url   string
	start func(s *server) error // sets url, and process where there is one to watch
	stop  func()

	process *os.Process
}

// howdah is the server of this source tree, as users run it. dir "" is memory.
func howdah(b *testing.B, dir string) *server {
	bin := filepath.Join(b.TempDir(), "howdah")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, "github.com/howdahdb/howdah/cmd/howdah").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	url := regexp.MustCompile(`"url":"([^"]+)"`)
	args := []string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json"}
	if dir != "" {
		args = append(args, "--data-dir", dir)
	}
	return &server{name: "howdah", start: func(s *server) error {
		cmd := exec.Command(bin, args...)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			return err
		}
		found, err := s.run(b, cmd, stderr, url)
		s.url = found
		return err
	}}
}

// pgliteSocket installs the peer into a temporary folder. It knows nothing of
// durability, with or without a folder for its data.
func pgliteSocket(b *testing.B) *server {
	node, npm := need.Node(b), need.Npm(b)
	home := b.TempDir()
	// The socket's package names an older PGlite as its peer.
	install := exec.CommandContext(b.Context(), npm, "install", "--no-audit", "--no-fund", "--legacy-peer-deps", "--prefix", home, pglitePackage, socketPackage)
	if out, err := install.CombinedOutput(); err != nil {
		b.Fatalf("npm install %s %s: %v\n%s", pglitePackage, socketPackage, err, out)
	}
	script := filepath.Join(home, "node_modules", "@electric-sql", "pglite-socket", "dist", "scripts", "server.js")
	return &server{name: "pglite-socket", start: func(s *server) error {
		port, err := freePort()
		if err != nil {
			return err
		}
		cmd := exec.Command(node, script, "--port", strconv.Itoa(port), "--max-connections", "16")
		cmd.Stderr = io.Discard
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		_, err = s.run(b, cmd, stdout, regexp.MustCompile(`(?i)(listening)`))
		s.url = fmt.Sprintf("postgres://postgres:postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
		return err
	}}
}

func native(b *testing.B, settings ...string) *server {
	n := need.StartNative(b, settings...)
	return &server{name: "native", url: n.URL("postgres"), start: func(*server) error { return nil }, stop: func() {}}
}

// run starts a process and waits for a line of its output that ready matches;
// it returns what the pattern's group is. The process ends by s.stop.
func (s *server) run(b *testing.B, cmd *exec.Cmd, output io.Reader, ready *regexp.Regexp) (string, error) {
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.process = cmd.Process
	found := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if m := ready.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
	}()
	s.stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		<-drained
		_ = cmd.Wait()
		kill.Stop()
		s.stop = func() {}
	}
	b.Cleanup(func() { s.stop() })
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	select {
	case url := <-found:
		return url, nil
	case <-drained:
		return "", fmt.Errorf("%s ended while it started", s.name)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// residentMB is VmRSS (proc_pid_status(5)) in 10⁶ bytes, 0 where it can't be
// told.
func (s *server) residentMB() float64 {
	if s.process == nil {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
