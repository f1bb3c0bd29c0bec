package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds a start: the first one compiles Postgres.
const patience = 3 * time.Minute

// server is one that can be measured. It starts when it is first asked for, and
// ends with the benchmark.
type server struct {
	name string
	// start sets url and stop, and pid where there is a process to look at. It
	// skips t when the machine lacks something.
	start func(t testing.TB) error
	// measure is how; nil runs pgbench.
	measure func(l load) (result, error)
	// oneSession says that all clients have the same session, in which a client
	// finds the prepared statements of the one before.
	oneSession bool

	url  string
	pid  int // the process, or the parent of all
	stop func()

	begun  bool
	absent string // why it can't be had here

	idleMB, loadedMB float64 // after start; after the load that left most
}

// ready starts the server if it is not running yet, and fills pgbench's tables.
// The error is one of errAbsent when the machine lacks what the server needs.
func (s *server) ready(b *testing.B) error {
	if s.absent != "" {
		return errAbsent(s.absent)
	}
	if s.begun {
		return nil
	}
	var err error
	if s.absent = attempt(b, func(t testing.TB) { err = s.launch(t) }); s.absent != "" {
		return errAbsent(s.absent)
	}
	return err
}

// launch is ready for a t that start may skip.
func (s *server) launch(t testing.TB) error {
	if s.begun {
		return nil
	}
	if err := s.start(t); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	s.begun, s.idleMB = true, treeMB(s.pid, "Pss")
	if err := fill(t, s); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// with is the same server under another name, for clients with a setting of
// their own.
func (s *server) with(name, setting string) *server {
	v := &server{name: name}
	v.start = func(t testing.TB) error {
		if err := s.launch(t); err != nil {
			return err
		}
		u, err := url.Parse(s.url)
		if err != nil {
			return err
		}
		q := u.Query()
		q.Set("options", "-c "+setting)
		// libpq knows %20 only.
		u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
		v.url, v.pid, v.stop = u.String(), s.pid, s.restart
		return nil
	}
	return v
}

// restart replaces a server that has failed: an error jams pglite-socket's queue.
func (s *server) restart() {
	s.stop()
	s.begun = false
}

type errAbsent string

func (e errAbsent) Error() string { return string(e) }

// trial is a test in which something may turn out to be missing.
type trial struct {
	testing.TB
	reason string
}

func (t *trial) Skipf(format string, args ...any) {
	t.reason = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (t *trial) Fatalf(format string, args ...any) {
	t.TB.Errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) Fatal(args ...any) {
	t.TB.Error(args...)
	runtime.Goexit()
}

// attempt runs f and returns why it has skipped, if it has, so that one peer's
// absence does not skip the others. What f cleans up is b's to do at its end.
func attempt(b *testing.B, f func(t testing.TB)) (reason string) {
	t := &trial{TB: b}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f(t)
	}()
	<-ended
	if t.reason == "" && b.Failed() {
		return "failed to start"
	}
	return t.reason
}

// stopOnce makes f the way to stop the server, which the end of t does too.
func (s *server) stopOnce(t testing.TB, f func()) {
	s.stop = sync.OnceFunc(f)
	t.Cleanup(s.stop)
}

// run starts a process and waits for a line of its output that ready matches;
// it returns what the pattern's group is. end is the signal that ends it.
func (s *server) run(t testing.TB, cmd *exec.Cmd, output io.Reader, ready *regexp.Regexp, end os.Signal) (string, error) {
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.pid = cmd.Process.Pid
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
	s.stopOnce(t, func() {
		_ = cmd.Process.Signal(end)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		<-drained
		_ = cmd.Wait()
		kill.Stop()
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case url := <-found:
		return url, nil
	case <-drained:
		return "", errors.New("it ended while it started")
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

var howdahURL = regexp.MustCompile(`"url":"([^"]+)"`)

// howdah runs `howdah serve` with args.
func howdah(name string, args ...string) *server {
	s := &server{name: name}
	s.start = func(t testing.TB) error {
		bin, err := command()
		if err != nil {
			return err
		}
		cmd := exec.Command(bin, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json"}, args...)...)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			return err
		}
		s.url, err = s.run(t, cmd, stderr, howdahURL, os.Interrupt)
		return err
	}
	return s
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
