package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/howdahdb/howdah/wasm"
)

var update = flag.Bool("update", false, "rewrite the golden parts of the scripts")

// patience bounds what a script waits for: a first start compiles Postgres.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"howdah": main, "sql": sqlMain})
}

// TestScripts runs the command as people do: testdata/script has a file per
// subject. Beside testscript's own commands and `howdah` there are
//
//	sql URL STATEMENT   run a statement once the server is there, print its rows;
//	                    a notice is written to the file "notice"
//	await FILE          wait until the file exists
//	exits N COMMAND…    run a command, which has to exit with N
//	signal TERM|HUP|KILL  send a signal to every howdah in the background
//	get [-X METHOD] URL print status and body; https trusts cert.pem
//	unique FILE         add a comment that no other run has, so that no cache has it
//	certificate         write cert.pem and key.pem for 127.0.0.1
//
// and the condition [artifact]. PORT is a free port, URL a database on it, ADMIN
// another free port.
func TestScripts(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			port, err := freePort()
			if err != nil {
				return err
			}
			admin, err := freePort()
			if err != nil {
				return err
			}
			program, err := exec.LookPath("howdah")
			if err != nil {
				return err
			}
			e.Setenv("HOWDAH_CACHE_DIR", filepath.Join(cache, "howdah"))
			e.Setenv("PROGRAMS", filepath.Dir(program))
			e.Setenv("COLUMNS", "80")
			e.Setenv("PORT", port)
			e.Setenv("ADMIN", admin)
			e.Setenv("URL", "postgres://postgres@127.0.0.1:"+port+"/postgres")
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "artifact" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return haveArtifact()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":       await,
			"exits":       exits,
			"signal":      signalBackground,
			"certificate": certificate,
			"get":         get,
			"unique":      unique,
		},
	})
}

// haveArtifact reports whether PGlite is at hand. In CI it must be.
var haveArtifact = sync.OnceValues(func() (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	a, err := wasm.Load(ctx, wasm.Options{})
	if err == nil {
		return true, a.Close()
	}
	if os.Getenv("HOWDAH_REQUIRE") == "all" {
		return false, err
	}
	return false, nil
})

// sqlMain is the program sql. It waits for a server that is still starting.
func sqlMain() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := runSQL(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runSQL(ctx context.Context, url, statement string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		_ = os.WriteFile("notice", []byte(n.Message), 0o644) // the script waits for it
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	for errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, os.ErrNotExist) {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
		conn, err = pgx.ConnectConfig(ctx, config)
	}
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		fmt.Println(strings.TrimSuffix(fmt.Sprintln(values...), "\n"))
	}
	return rows.Err()
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await file")
	}
	for deadline := time.Now().Add(patience); ; {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not appear", args[0])
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits status command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func signalBackground(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}
	if neg || len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TERM|HUP|KILL")
	}
	for _, cmd := range ts.BackgroundCmds() {
		if filepath.Base(cmd.Path) == "howdah" {
			ts.Check(cmd.Process.Signal(signals[args[0]]))
		}
	}
}

func unique(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unique file")
	}
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_APPEND|os.O_WRONLY, 0)
	ts.Check(err)
	_, err = fmt.Fprintln(f, "-- "+rand.Text())
	ts.Check(errors.Join(err, f.Close()))
}

func certificate(ts *testscript.TestScript, neg bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "howdah test"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IsCA:         true,

		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: private},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(block), 0o600))
	}
}

// get writes what a URL answers to stdout, so that the script can match it.
func get(ts *testscript.TestScript, neg bool, args []string) {
	method := http.MethodGet
	if len(args) == 3 && args[0] == "-X" {
		method, args = args[1], args[2:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: get [-X method] url")
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if strings.HasPrefix(args[0], "https:") {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(ts.ReadFile("cert.pem")))
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	request, err := http.NewRequest(method, args[0], nil)
	ts.Check(err)
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d\n%s", answer.StatusCode, body)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
