package isolation

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/pglite/wire"
)

var update = flag.Bool("update", false, "rewrite testdata/*.out with what the native server does")

// scriptCount is how many scripts there are at least, so that none gets lost.
const scriptCount = 120

// TestNative shows that the transcripts are what PostgreSQL does.
func TestNative(t *testing.T) {
	n := need.StartNative(t, settings...)
	playAll(t, net.JoinHostPort(n.Host, strconv.Itoa(n.Port)), *update)
}

// TestHowdah shows that sessions of Howdah do the same.
func TestHowdah(t *testing.T) {
	if *update {
		t.Skip("the transcripts are being rewritten")
	}
	playAll(t, startHowdah(t), false)
}

// settings keep out what works at its own pace.
var settings = []string{"autovacuum=off", "jit=off"}

// startHowdah serves a cluster in memory on a loopback port until the end of t.
func startHowdah(t *testing.T) string {
	t.Helper()
	o := pglite.Options{Logger: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.FatalLevel)}
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		o.Settings = append(o.Settings, pglite.Setting{Name: name, Value: value})
	}
	c, err := pglite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire.New(wire.Options{Cluster: c, Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.WithoutCancel(t.Context()), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shut down the server: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := c.Close(ctx); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	return l.Addr().String()
}

func playAll(t *testing.T, addr string, update bool) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.iso"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < scriptCount {
		t.Errorf("%d scripts, want at least %d", len(files), scriptCount)
	}
	server, err := newServer(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".iso"), func(t *testing.T) {
			s, err := readScript(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := server.play(t.Context(), s)
			if err != nil {
				t.Fatalf("%s: %v; the transcript so far is\n%s", file, err, got)
			}
			golden := strings.TrimSuffix(file, ".iso") + ".out"
			if update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%v; make it with -update", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := diff.Diff(golden, want, "got", []byte(got)); d != nil {
				t.Errorf("%s", d)
			}
		})
	}
}
