package history_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/pglite/wire"
)

var seedFlag = flag.Uint64("seed", 0, "seed of randomised tests, as an earlier run has logged it")

func pickSeed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %#x", seed)
	return seed
}

// server is what clients connect to.
type server struct {
	mu   sync.Mutex
	addr string
	// kill ends the whole server as kill -9 does and starts it again; nil where
	// nobody can.
	kill func(t testing.TB)
}

func (s *server) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

func (s *server) moved(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = addr
}

// servers are what each history is made on. The native one shows that the
// history is one that Postgres makes; an anomaly there is the test's.
var servers = []struct {
	name  string
	start func(testing.TB, ...pglite.Setting) *server
}{
	{"native", startNative},
	{"memory", startMemory},
	{"directory", startDirectory},
}

// maxClients leaves room for what clients cut off have left behind.
const maxClients = 1000

func startNative(t testing.TB, settings ...pglite.Setting) *server {
	t.Helper()
	all := []string{"max_connections=" + strconv.Itoa(maxClients)}
	for _, s := range settings {
		all = append(all, s.Name+"="+s.Value)
	}
	n := need.StartNative(t, all...)
	return &server{addr: net.JoinHostPort(n.Host, strconv.Itoa(n.Port))}
}

func startMemory(t testing.TB, settings ...pglite.Setting) *server {
	t.Helper()
	return serve(t, pglite.Options{Settings: settings})
}

// serve runs a cluster of ours in this process until the end of t.
func serve(t testing.TB, o pglite.Options) *server {
	t.Helper()
	o.Logger = zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.FatalLevel)
	if os.Getenv("HOWDAH_TEST_LOG") != "" {
		o.Logger = o.Logger.Level(zerolog.InfoLevel)
	}
	c, err := pglite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	front, err := wire.New(wire.Options{Cluster: c, MaxClients: maxClients, Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- front.Serve(context.WithoutCancel(t.Context()), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(front.Shutdown(ctx), <-served, c.Close(ctx)); err != nil {
			t.Errorf("shut down: %v", err)
		}
	})
	return &server{addr: l.Addr().String()}
}

// serveVar makes the test binary a server on the directory it names.
const serveVar = "HOWDAH_HISTORY_SERVE"

// TestServe is the process that is killed. It says on stdout where it serves,
// and ends when its input does.
func TestServe(t *testing.T) {
	dir := os.Getenv(serveVar)
	if dir == "" {
		t.Skip("a process of its own, for other tests")
	}
	var settings []pglite.Setting
	for _, s := range flag.Args() {
		name, value, _ := strings.Cut(s, "=")
		settings = append(settings, pglite.Setting{Name: name, Value: value})
	}
	s := serve(t, pglite.Options{Dir: dir, Settings: settings})
	fmt.Println("listening", s.addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startDirectory runs a cluster of ours on a directory, in a process that can
// be killed.
func startDirectory(t testing.TB, settings ...pglite.Setting) *server {
	t.Helper()
	p := &process{dir: filepath.Join(t.TempDir(), "data")}
	for _, s := range settings {
		p.args = append(p.args, s.Name+"="+s.Value)
	}
	s := &server{addr: p.start(t)}
	s.kill = func(t testing.TB) {
		p.kill()
		s.moved(p.start(t))
	}
	t.Cleanup(p.stop)
	return s
}

type process struct {
	dir  string
	args []string
	cmd  *exec.Cmd
	in   io.Closer
	rest sync.WaitGroup // reads what else the process says
}

// start runs the process and returns where it listens.
func (p *process) start(t testing.TB) string {
	t.Helper()
	p.cmd = exec.Command(os.Args[0], append([]string{"-test.run=^TestServe$", "--"}, p.args...)...)
	p.cmd.Env = append(os.Environ(), serveVar+"="+p.dir)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if !ok {
		rest, _ := io.ReadAll(r)
		p.stop()
		t.Fatalf("the server says %q: %v\n%s", line, err, rest)
	}
	p.rest.Go(func() { _, _ = io.Copy(io.Discard, r) })
	return addr
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	p.wait()
}

// stop asks the server to shut down.
func (p *process) stop() {
	_ = p.in.Close()
	p.wait()
}

func (p *process) wait() {
	p.rest.Wait()
	_ = p.cmd.Wait() // it was killed, or its clients will have noticed
}
