package admin_test

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/admin"
)

// serve opens a cluster with an admin endpoint on a port of loopback.
func serve(t *testing.T, o pglite.Options) (*pglite.Cluster, *admin.Server, string) {
	t.Helper()
	o.MaxBackends = 2
	c, err := pglite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeCluster(t, c) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := admin.New(c, nil, zerolog.Nop())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l, nil) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c, s, "http://" + l.Addr().String()
}

func closeCluster(t *testing.T, c *pglite.Cluster) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// TestHealth: ready is who answers, healthy who has not failed.
func TestHealth(t *testing.T) {
	c, s, url := serve(t, pglite.Options{})
	expect := func(path string, status int, body string) {
		t.Helper()
		if n, b := get(t, url+path); n != status || !strings.Contains(b, body) {
			t.Errorf("%s: %d %q, want %d %q", path, n, b, status, body)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 200, "ok")
	expect("/", 404, "")
	closeCluster(t, c)
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, "closed")
	s.Drain()
	expect("/readyz", 503, "shutting down")
	expect("/metrics", 200, "howdah_backends 0")
}

// TestMetrics reads the figures as Prometheus does, and finds each of them with
// its type and value.
func TestMetrics(t *testing.T) {
	c, _, url := serve(t, pglite.Options{Dir: t.TempDir() + "/data"})
	s, err := c.NewSession(t.Context(), pglite.SessionOptions{User: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, text := get(t, url+"/metrics")
	families, err := new(expfmt.TextParser).TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	stats := c.Stats()
	for f := range stats.Figures() {
		name, kind := "howdah_"+f.Name, dto.MetricType_GAUGE
		if f.Counted {
			name, kind = name+"_total", dto.MetricType_COUNTER
		}
		family := families[name]
		if family == nil {
			t.Errorf("no %s", name)
			continue
		}
		if family.GetType() != kind || family.GetHelp() == "" || len(family.Metric) != 1 {
			t.Errorf("%s is %v", name, family)
		}
	}
	if got := families["howdah_sessions"].Metric[0].GetGauge().GetValue(); got != 1 {
		t.Errorf("%v sessions, want 1", got)
	}
	syncs := families["howdah_sync_duration_seconds"].Metric[0].GetHistogram()
	var last uint64
	for _, b := range syncs.Bucket {
		if b.GetCumulativeCount() < last {
			t.Errorf("bucket %v has %d, the one before %d", b.GetUpperBound(), b.GetCumulativeCount(), last)
		}
		last = b.GetCumulativeCount()
	}
	if n := len(syncs.Bucket); n != len(pglite.SyncBounds)+1 || !math.IsInf(syncs.Bucket[n-1].GetUpperBound(), 1) {
		t.Errorf("%d buckets", n)
	}
	if n := syncs.GetSampleCount(); n == 0 || n != last || syncs.GetSampleSum() <= 0 {
		t.Errorf("%d syncs of %v s, %d in buckets", n, syncs.GetSampleSum(), last)
	}
	if families["process_resident_memory_bytes"] == nil && runtime.GOOS == "linux" {
		t.Error("no figures of the process")
	}
}
