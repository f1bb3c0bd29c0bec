package oracle_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/pglite/wire"
)

// startNative runs the oracle. Autovacuum would change plans at its own pace.
func startNative(t *testing.T) string {
	t.Helper()
	n := need.StartNative(t, "autovacuum=off", "jit=off")
	return net.JoinHostPort(n.Host, strconv.Itoa(n.Port))
}

// startHowdah serves a cluster in memory on a loopback port until the end of t.
func startHowdah(t *testing.T, o pglite.Options) string {
	t.Helper()
	o.Logger = zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.FatalLevel)
	o.Settings = append(o.Settings, pglite.Setting{Name: "autovacuum", Value: "off"})
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
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
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

// shutdownTimeout only ends a test whose server does not stop.
const shutdownTimeout = time.Minute
