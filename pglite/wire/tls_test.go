package wire

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// certificate makes a self-signed one for localhost.
func certificate(t *testing.T, curve elliptic.Curve) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// serveTLS serves passwords over TLS without a cluster. Who gets in is told that
// replication is not supported, if that is what he asks for.
func serveTLS(t *testing.T) (addr *net.TCPAddr, roots *x509.CertPool) {
	t.Helper()
	config, roots := certificate(t, elliptic.P384())
	secrets := func(_ context.Context, role string) (string, error) {
		if role == "app" {
			return secretOf(t, "pencil"), nil
		}
		return "", nil
	}
	s := newServer(Options{TLS: config, Auth: alwaysSCRAM}, secrets)
	l := listen(t)
	done := make(chan error)
	go func() { done <- s.Serve(t.Context(), l) }()
	t.Cleanup(func() { <-done })
	return l.Addr().(*net.TCPAddr), roots
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if string(got) != want {
		t.Fatalf("got %q (%v), want %q", got[:n], err, want)
	}
}

const askPlus = "R\x00\x00\x00\x2a\x00\x00\x00\x0aSCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"

func TestTLS(t *testing.T) {
	addr, roots := serveTLS(t)
	t.Run("requested", func(t *testing.T) {
		nc := dial(t, addr)
		io.WriteString(nc, request(sslRequestCode))
		expect(t, nc, "S")
		tc := tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		io.WriteString(tc, startup(protocol30, "user", "app"))
		expect(t, tc, askPlus)
	})
	t.Run("requested inside TLS", func(t *testing.T) {
		nc := dial(t, addr)
		io.WriteString(nc, request(sslRequestCode))
		expect(t, nc, "S")
		tc := tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		io.WriteString(tc, request(sslRequestCode))
		expect(t, tc, fatalMessage("0A000", "unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2"))
	})
	t.Run("with early bytes", func(t *testing.T) {
		for _, more := range []string{"\x16\x03\x01\x00", startup(protocol30, "user", "app")} {
			nc := dial(t, addr)
			io.WriteString(nc, request(sslRequestCode)+more)
			expect(t, nc, fatalMessage("08P01", "received unencrypted data after SSL request", early))
		}
	})
	t.Run("direct", func(t *testing.T) {
		tc := tls.Client(dial(t, addr), &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"postgresql"}})
		io.WriteString(tc, startup(protocol32, "user", "app"))
		expect(t, tc, askPlus)
	})
	t.Run("direct without ALPN", func(t *testing.T) {
		tc := tls.Client(dial(t, addr), &tls.Config{RootCAs: roots, ServerName: "localhost"})
		io.WriteString(tc, startup(protocol32, "user", "app"))
		if b, err := io.ReadAll(tc); len(b) > 0 {
			t.Errorf("answered %q, %v", b, err)
		}
	})
	t.Run("direct with foreign ALPN", func(t *testing.T) {
		tc := tls.Client(dial(t, addr), &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"}})
		if err := tc.Handshake(); err == nil {
			t.Error("handshake succeeds")
		}
	})
	t.Run("too old", func(t *testing.T) {
		tc := tls.Client(dial(t, addr), &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"postgresql"},
			MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err := tc.Handshake(); err == nil {
			t.Error("handshake succeeds")
		}
	})
}

// TestDirectTLSWithoutTLS closes at once, as Postgres does.
func TestDirectTLSWithoutTLS(t *testing.T) {
	s := newServer(Options{}, noSecrets)
	client, server := net.Pipe()
	go io.WriteString(client, "\x16\x03\x01\x00\x05hello")
	if err := s.ServeConn(t.Context(), server, false); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Error(err)
	}
}

// TestPasswords has pgx authenticate, with and without TLS.
func TestPasswords(t *testing.T) {
	addr, roots := serveTLS(t)
	for _, secure := range []bool{false, true} {
		for _, test := range []struct{ user, password, code string }{
			{"app", "pencil", "0A000"},
			{"app", "Pencil", "28P01"},
			{"app", "", "28P01"},
			{"stranger", "pencil", "28P01"},
		} {
			config, err := pgconn.ParseConfig(fmt.Sprintf("host=localhost port=%d sslmode=disable replication=database", addr.Port))
			if err != nil {
				t.Fatal(err)
			}
			config.User, config.Password = test.user, test.password
			if secure {
				config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: "localhost"}
			}
			_, err = pgconn.ConnectConfig(t.Context(), config)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != test.code {
				t.Errorf("%s with %q, TLS %v: %v", test.user, test.password, secure, err)
			} else if pg.Code == "28P01" && pg.Message != fmt.Sprintf("password authentication failed for user %q", test.user) {
				t.Errorf("message %q", pg.Message)
			}
		}
	}
}

// TestChannelBinding has libpq bind the exchange to the TLS connection.
func TestChannelBinding(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("no psql on this machine")
	}
	addr, _ := serveTLS(t)
	for password, want := range map[string]string{
		"pencil": "replication connections are not supported",
		"Pencil": "password authentication failed",
	} {
		cmd := exec.CommandContext(t.Context(), psql, "-X", "-c", "select 1", fmt.Sprintf(
			"host=127.0.0.1 port=%d user=app dbname=x password=%s sslmode=require channel_binding=require replication=database",
			addr.Port, password))
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s: %s", password, out)
		}
	}
}

// TestBindingOfAnother presents the hash of a certificate in the middle.
func TestBindingOfAnother(t *testing.T) {
	secret := parsed(t, secretOf(t, "pencil"))
	for _, bound := range []string{"ours", "another's"} {
		x := scramExchange{secret: secret, plus: true, binding: []byte("ours")}
		if _, err := x.first([]byte("p=tls-server-end-point,,n=,r=abc")); err != nil {
			t.Fatal(err)
		}
		c := base64.StdEncoding.EncodeToString([]byte("p=tls-server-end-point,," + bound))
		_, _, err := x.final(fmt.Appendf(nil, "c=%s,r=%s,p=%s", c, x.nonce, base64.StdEncoding.EncodeToString(make([]byte, 32))))
		if bound == "ours" && err != nil {
			t.Error(err)
		} else if bound != "ours" {
			wantFatal(t, err, "28000", "SCRAM channel binding check failed", "")
		}
	}
}

func TestEndpointHash(t *testing.T) {
	for curve, size := range map[elliptic.Curve]int{elliptic.P256(): 32, elliptic.P384(): 48, elliptic.P521(): 64} {
		config, _ := certificate(t, curve)
		if got := endpointHash(config); len(got) != size {
			t.Errorf("%s: hash of %d bytes", curve.Params().Name, len(got))
		}
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		if endpointHash(config) != nil {
			t.Error("a hash although the certificate may be another")
		}
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if endpointHash(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}}}}) != nil {
		t.Error("Ed25519 has a hash")
	}
	if endpointHash(nil) != nil {
		t.Error("no TLS has a hash")
	}
}
