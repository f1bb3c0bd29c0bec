package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/wire"
)

type serveCmd struct {
	DataDir         string `env:"HOWDAH_DATA_DIR" placeholder:"DIR" help:"Keep the data here; made when missing or empty. Without it everything is in memory."`
	From            string `env:"HOWDAH_FROM" placeholder:"FILE" help:"Begin with this snapshot, in memory or in a directory without a cluster."`
	Listen          string `env:"HOWDAH_LISTEN" default:"127.0.0.1:5432" help:"Address to listen on; port 0 takes a free one."`
	SocketDir       string `env:"HOWDAH_SOCKET_DIR" placeholder:"DIR" help:"Listen on a Unix socket in this folder too."`
	PasswordFile    string `env:"HOWDAH_PASSWORD_FILE" placeholder:"FILE" help:"File whose first line becomes the password of role postgres."`
	TLSCert         string `name:"tls-cert" env:"HOWDAH_TLS_CERT" placeholder:"FILE" help:"Certificate chain (PEM), for TLS."`
	TLSKey          string `name:"tls-key" env:"HOWDAH_TLS_KEY" placeholder:"FILE" help:"Private key (PEM) of the certificate."`
	RequirePassword bool   `env:"HOWDAH_REQUIRE_PASSWORD" help:"Ask for a password on loopback and on the Unix socket too."`
	MaxClients      int    `env:"HOWDAH_MAX_CLIENTS" default:"10000" placeholder:"N" help:"How many clients may be connected; one more gets error 53300."`
	InsecureListen  bool   `env:"HOWDAH_INSECURE_LISTEN" help:"Allow an address off loopback without --password-file and TLS."`
	Admin           string `env:"HOWDAH_ADMIN" placeholder:"ADDR" help:"Answer /healthz, /readyz and /metrics here over HTTP; off loopback over HTTPS, with --tls-cert."`
	traceFlags
	feedFlags
	databaseFlags
	logFlags `set:"log_level=info"`
}

func (serveCmd) Help() string {
	return `Clients on loopback and on the Unix socket are trusted. Others give a
password (SCRAM-SHA-256): an address that they can reach needs --password-file,
--tls-cert and --tls-key, or --insecure-listen.

The first SIGINT or SIGTERM lets running statements finish, writes a
checkpoint and exits with 0; a second one exits at once.

Examples:

    howdah serve --data-dir ./data
    howdah serve --listen 127.0.0.1:0 --extensions pgvector -c work_mem=64MB
    howdah serve --data-dir ./data --listen :5432 --password-file pw \
        --tls-cert server.crt --tls-key server.key
`
}

// Validate is called by kong after parsing.
func (c *serveCmd) Validate() error { return errors.Join(c.databaseFlags.Validate(), c.check()) }

func (c *serveCmd) Run() error {
	if c.From != "" {
		return c.serve(openSnapshot(c.From))
	}
	return c.serve(pglite.Open)
}

// serve checks everything that can be wrong with the command, claims the
// addresses, and only then opens the data directory.
func (c *serveCmd) serve(open openCluster) error {
	log, trace := c.logger(), c.trace()
	defer trace.print()
	beginning := time.Now()
	front, err := c.front(log)
	if err != nil {
		return err
	}
	cluster := c.options(log)
	cluster.Dir, cluster.Trace, front.Trace = c.DataDir, trace.tell(), trace.tell()
	if c.PasswordFile != "" {
		if cluster.Password, err = readPassword(c.PasswordFile); err != nil {
			return usageError{err}
		}
	}
	adminTLS, err := c.adminTLS(front.TLS)
	if err != nil {
		return err
	}
	listeners, address, err := c.listen()
	if err != nil {
		return err
	}
	show, err := c.listenAdmin(adminTLS)
	if err != nil {
		closeAll(listeners)
		return err
	}

	ctx, stop := untilSignal(context.Background())
	defer stop()
	trace.add("flags and addresses", beginning)
	s, err := startServer(ctx, open, bundle.Options{Cluster: cluster, NoFeed: !c.Feed, Feed: c.feedOptions()}, front, show, listeners...)
	if err != nil {
		return err
	}
	c.logReady(log, address, front.TLS != nil, show)
	err = s.wait(ctx)
	if err == nil {
		log.Info().Str("reason", context.Cause(ctx).Error()).Msg("shutting down")
	} else {
		log.Error().Err(err).Msg("server failed")
	}
	if closeErr := s.shutdown(ctx); err == nil {
		err = closeErr
	}
	if err == nil {
		log.Info().Msg("shut down")
	}
	return err
}

// front decides whom the server lets in, and refuses to let in strangers
// without being told to.
func (c *serveCmd) front(log zerolog.Logger) (wire.Options, error) {
	if c.MaxClients <= 0 {
		return wire.Options{}, usagef("--max-clients must be positive")
	}
	certificate, err := c.tlsConfig()
	if err != nil {
		return wire.Options{}, usageError{err}
	}
	withPassword := c.PasswordFile != "" || c.RequirePassword
	err = wire.CheckListen(c.Listen, certificate != nil, withPassword, c.InsecureListen)
	if errors.Is(err, wire.ErrInsecureListen) {
		return wire.Options{}, usagef("%w; see --password-file, --tls-cert and --tls-key, or take the risk with --insecure-listen", err)
	} else if err != nil {
		return wire.Options{}, usageError{err}
	}
	front := wire.Options{TLS: certificate, Logger: log, MaxClients: c.MaxClients}
	if c.RequirePassword {
		front.Auth = wire.RequirePassword
	}
	return front, nil
}

// listen claims the TCP address, and the Unix socket of the same port.
func (c *serveCmd) listen() ([]net.Listener, *net.TCPAddr, error) {
	tcp, err := listenTCP("--listen", c.Listen)
	if err != nil {
		return nil, nil, err
	}
	address := tcp.Addr().(*net.TCPAddr)
	if c.SocketDir == "" {
		return []net.Listener{tcp}, address, nil
	}
	unix, err := wire.ListenUnix(c.SocketDir, address.Port)
	if err != nil {
		tcp.Close()
		return nil, nil, usagef("--socket-dir: %w", err)
	}
	return []net.Listener{tcp, unix}, address, nil
}

func (c *serveCmd) logReady(log zerolog.Logger, address *net.TCPAddr, withTLS bool, show *adminListener) {
	message := "ready"
	if c.DataDir == "" {
		message = "ready; in memory: all data is lost at exit"
	}
	event := log.Info().Str("url", databaseURL(address, withTLS))
	if c.SocketDir != "" {
		event = event.Str("socket_dir", c.SocketDir)
	}
	if show != nil {
		event = event.Str("admin", show.url())
	}
	event.Msg(message)
}

// databaseURL is how a client on this machine reaches database postgres.
func databaseURL(address *net.TCPAddr, withTLS bool) string {
	host := address.IP.String()
	if address.IP.IsUnspecified() {
		host = "localhost"
	}
	u := url.URL{
		Scheme: "postgres",
		User:   url.User("postgres"),
		Host:   net.JoinHostPort(host, strconv.Itoa(address.Port)),
		Path:   "/postgres",
	}
	if withTLS {
		u.RawQuery = "sslmode=require"
	}
	return u.String()
}

// tlsConfig returns nil when no certificate is given.
func (c *serveCmd) tlsConfig() (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil, nil
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		return nil, fmt.Errorf("--tls-cert and --tls-key are given together")
	}
	cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// readPassword takes the first line of a file, as initdb --pwfile does.
func readPassword(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("--password-file: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	if !lines.Scan() || lines.Text() == "" {
		if err := lines.Err(); err != nil {
			return "", fmt.Errorf("--password-file %s: %w", name, err)
		}
		return "", fmt.Errorf("--password-file %s: the first line is empty", name)
	}
	return lines.Text(), nil
}
