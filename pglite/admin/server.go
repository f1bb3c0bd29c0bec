package admin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
)

const (
	// readyTimeout is how long a statement may take before the database counts
	// as not ready. Kubernetes gives probes a second unless told otherwise.
	readyTimeout = 900 * time.Millisecond
	// requestTimeout bounds reading a request and writing its answer.
	requestTimeout = 10 * time.Second
)

// Server answers for one cluster. Its methods may be called on any goroutine.
type Server struct {
	cluster  *pglite.Cluster
	http     http.Server
	draining atomic.Bool
}

// New makes a server. It holds no goroutine before Serve is called. more gives figures
// beside the cluster's for /metrics, always the same ones; nil is none.
func New(c *pglite.Cluster, more func() []pglite.Figure, log zerolog.Logger) *Server {
	s := &Server{cluster: c}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newCollector(c, more),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: errorLog{log}, Registry: registry,
		MaxRequestsInFlight: 4, Timeout: requestTimeout,
	}))
	s.http = http.Server{
		Handler:     mux,
		ReadTimeout: requestTimeout, WriteTimeout: 2 * requestTimeout, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       stdlog.New(debugLog{log}, "", 0),
	}
	return s
}

// Serve answers on l, which it closes, until Shutdown, and then returns nil.
// With a certificate it speaks HTTPS.
func (s *Server) Serve(l net.Listener, certificate *tls.Config) error {
	if certificate != nil {
		certificate = certificate.Clone()
		certificate.NextProtos = []string{"http/1.1"}
		l = tls.NewListener(l, certificate)
	}
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin: %w", err)
	}
	return nil
}

// Drain makes the server say that it is not ready from now on.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown lets requests finish; what is left of them when ctx ends is cut
// off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, s.cluster.Err())
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		answer(w, errors.New("shutting down"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	answer(w, s.cluster.Ping(ctx))
}

// answer is one line.
func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	line := "ok"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		line = err.Error()
	}
	_, _ = io.WriteString(w, line+"\n") // to a client that may have left
}

// debugLog takes what http.Server says, which is about clients.
type debugLog struct{ log zerolog.Logger }

func (l debugLog) Write(line []byte) (int, error) {
	l.log.Debug().Msg("admin: " + strings.TrimSpace(string(line)))
	return len(line), nil
}

// errorLog is what promhttp asks for.
type errorLog struct{ log zerolog.Logger }

func (l errorLog) Println(v ...any) { l.log.Warn().Msg("metrics: " + fmt.Sprint(v...)) }
