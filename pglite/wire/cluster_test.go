package wire_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/wire"
)

// cluster is one in memory that the tests of this package share.
var cluster = sync.OnceValues(func() (*pglite.Cluster, error) {
	return pglite.Open(context.Background(), pglite.Options{Password: "secret of postgres"})
})

func TestMain(m *testing.M) {
	if addr := os.Getenv(crowdVar); addr != "" {
		os.Exit(runCrowd(addr))
	}
	code := m.Run()
	if c, err := cluster(); err == nil {
		if err := c.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "close:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// serve serves the cluster on the loopback interface until the test ends.
func serve(t *testing.T, o wire.Options) (*wire.Server, *net.TCPAddr) {
	t.Helper()
	if o.Cluster == nil {
		c, err := cluster()
		if err != nil {
			t.Fatal(err)
		}
		o.Cluster = c
	}
	server, err := wire.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(t.Context(), l) }()
	t.Cleanup(func() { <-served })
	return server, l.Addr().(*net.TCPAddr)
}

func config(t *testing.T, addr *net.TCPAddr, settings string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable %s", addr.Port, settings))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func connect(t *testing.T, addr *net.TCPAddr, settings string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config(t, addr, settings))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return fmt.Sprint(err)
}

// rawConn speaks the protocol byte by byte.
type rawConn struct {
	net.Conn
	t *testing.T
}

func dialRaw(t *testing.T, addr net.Addr) rawConn {
	t.Helper()
	nc, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return rawConn{nc, t}
}

func (c rawConn) startup(protocol uint32, pairs ...string) {
	body := string(binary.BigEndian.AppendUint32(nil, protocol)) + strings.Join(pairs, "\x00") + "\x00\x00"
	c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...))
}

func (c rawConn) query(sql string) {
	c.Write(append(binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(sql)+5)), sql+"\x00"...))
}

type rawMessage struct {
	kind byte
	body []byte
}

func (c rawConn) read() (rawMessage, error) {
	var header [5]byte
	if _, err := io.ReadFull(c, header[:]); err != nil {
		return rawMessage{}, err
	}
	body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
	_, err := io.ReadFull(c, body)
	return rawMessage{header[0], body}, err
}

// until reads up to a message of the kind; the kinds read are in order.
func (c rawConn) until(kind byte) (kinds string, last rawMessage) {
	c.t.Helper()
	for {
		m, err := c.read()
		if err != nil {
			c.t.Fatalf("after %q: %v", kinds, err)
		}
		if kinds += string(m.kind); m.kind == kind {
			return kinds, m
		}
	}
}

// field is a field of an ErrorResponse.
func (m rawMessage) field(key byte) string {
	for f := range bytes.SplitSeq(m.body, []byte{0}) {
		if len(f) > 0 && f[0] == key {
			return string(f[1:])
		}
	}
	return ""
}

// TestStartupOutcome compares what follows AuthenticationOk with PostgreSQL 18.4.
func TestStartupOutcome(t *testing.T) {
	_, addr := serve(t, wire.Options{})
	for _, test := range []struct {
		pairs            []string
		code, text, more string
	}{
		{[]string{"user", "nobody9", "database", "postgres"}, "28000", `role "nobody9" does not exist`, ""},
		{[]string{"user", "postgres", "database", "nodb"}, "3D000", `database "nodb" does not exist`, ""},
		{[]string{"user", "postgres", "work_memx", "1"}, "42704", `unrecognized configuration parameter "work_memx"`, ""},
		{[]string{"user", "postgres", "work_mem", "abc"}, "22023", `invalid value for parameter "work_mem": "abc"`, ""},
		{[]string{"user", "postgres", "options", "-c work_memx=1"}, "42704", `unrecognized configuration parameter "work_memx"`, ""},
		{[]string{"user", "postgres", "options", "-Z"}, "42601", "invalid command-line argument for server process: -Z", `Try "postgres --help" for more information.`},
		{[]string{"user", "postgres", "options", "--work-mem"}, "42601", "--work-mem requires a value", ""},
	} {
		c := dialRaw(t, addr)
		c.startup(3<<16, test.pairs...)
		kinds, last := c.until('E')
		if kinds != "RE" || last.field('S') != "FATAL" || last.field('V') != "FATAL" ||
			last.field('C') != test.code || last.field('M') != test.text || last.field('H') != test.more {
			t.Errorf("%q: %s %q", test.pairs, kinds, last.body)
		}
		if _, err := c.read(); err != io.EOF {
			t.Errorf("%q: then %v", test.pairs, err)
		}
	}
}

// TestSettings applies the startup packet's role, database and settings.
func TestSettings(t *testing.T) {
	_, addr := serve(t, wire.Options{})
	admin := connect(t, addr, "")
	exec1(t, admin, "create role app login")
	exec1(t, admin, "create database appdb")
	defer exec1(t, admin, "drop role app")
	defer exec1(t, admin, "drop database appdb")
	for _, test := range []struct{ settings, sql, want string }{
		{"", "select current_user || ' ' || current_database()", "postgres postgres"},
		{"user=app", "select session_user || ' ' || current_setting('is_superuser')", "app off"},
		{"dbname=appdb", "select current_database()", "appdb"},
		{"application_name=x", "show application_name", "x"},
		{"options='-c work_mem=9MB --geqo=off'", "select current_setting('work_mem') || current_setting('geqo')", "9MBoff"},
		{`options='-c application_name=a\\ b'`, "show application_name", "a b"},
		{"options='-c work_mem=9MB' work_mem=8MB", "show work_mem", "8MB"},
		{"work_mem=8MB", "select set_config('work_mem', '1MB', false) || reset_val from pg_settings where name = 'work_mem'", "1MB8192"},
	} {
		conn := connect(t, addr, test.settings)
		var got string
		if err := conn.QueryRow(t.Context(), test.sql, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != test.want {
			t.Errorf("%s: %s = %q, %v, want %q", test.settings, test.sql, got, err, test.want)
		}
		conn.Close(t.Context())
	}
}

// TestRolePasswords asks for the passwords in pg_authid.
func TestRolePasswords(t *testing.T) {
	_, addr := serve(t, wire.Options{Auth: wire.RequirePassword})
	admin := connect(t, addr, "password='secret of postgres'")
	exec1(t, admin, "create role bob login password 'b'; create role passless login; create role locked password 'l'")
	defer exec1(t, admin, "drop role bob, passless, locked")
	for _, test := range []struct{ settings, code string }{
		{"user=bob password=b", "<nil>"},
		{"user=bob password=c", "28P01"},
		{"user=passless password=b", "28P01"},
		{"user=nobody password=b", "28P01"},
		{"user=locked password=l", "28000"},
		{"user=postgres password=b", "28P01"},
	} {
		conn, err := pgx.ConnectConfig(t.Context(), config(t, addr, test.settings))
		if code(err) != test.code {
			t.Errorf("%s: %v", test.settings, err)
		}
		if err == nil {
			conn.Close(t.Context())
		}
	}
	exec1(t, admin, "alter role bob password 'c'")
	connect(t, addr, "user=bob password=c")
}

// TestKeys cancels with the keys of both protocol versions.
func TestKeys(t *testing.T) {
	_, addr := serve(t, wire.Options{})
	for protocol, size := range map[uint32]int{3 << 16: 4, 3<<16 | 2: 32} {
		c := dialRaw(t, addr)
		c.startup(protocol, "user", "postgres")
		_, key := c.until('K')
		if len(key.body) != 4+size {
			t.Fatalf("protocol %x: BackendKeyData of %d bytes", protocol, len(key.body))
		}
		c.until('Z')
		c.query("select pg_sleep(3600)")
		request := append([]byte{0, 0, 0, byte(8 + 4 + size), 4, 0xd2, 0x16, 0x2e}, key.body...)
		wrong := bytes.Clone(request)
		wrong[len(wrong)-1] ^= 1
		answered := make(chan rawMessage, 1)
		go func() {
			_, m := c.until('E')
			answered <- m
		}()
		cancel := func(request []byte) {
			other := dialRaw(t, addr)
			other.Write(request)
			if b, err := io.ReadAll(other); len(b) > 0 || err != nil {
				t.Errorf("a cancel request is answered %q, %v", b, err)
			}
		}
		cancel(wrong)
		for done := false; !done; { // the request may come before the statement
			cancel(request)
			select {
			case m := <-answered:
				if m.field('C') != "57014" {
					t.Errorf("got %q", m.body)
				}
				done = true
			default:
			}
		}
		c.until('Z')
	}
}

// TestHangup leaves in the middle of a statement that holds the only backend.
func TestHangup(t *testing.T) {
	_, addr := serve(t, wire.Options{})
	admin := connect(t, addr, "")
	exec1(t, admin, "create table hangup (v int)")
	defer exec1(t, admin, "drop table hangup")
	c := dialRaw(t, addr)
	c.startup(3<<16, "user", "postgres")
	c.until('Z')
	c.query("begin; insert into hangup values (1); select pg_sleep(3600)")
	c.Close()
	var n int
	if err := admin.QueryRow(t.Context(), "select count(*) from hangup").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestShutdown drains a server with an idle client and a busy one.
func TestShutdown(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		server, addr := serve(t, wire.Options{})
		idle, copying := dialRaw(t, addr), dialRaw(t, addr)
		for _, c := range []rawConn{idle, copying} {
			c.startup(3<<16, "user", "postgres")
			c.until('Z')
		}
		copying.query("create table if not exists drained (v int)")
		copying.until('Z')
		copying.query("copy drained from stdin")
		copying.until('G')
		done := make(chan error)
		go func() { done <- server.Shutdown(t.Context()) }()
		if _, m := idle.until('E'); m.field('C') != "57P01" || m.field('S') != "FATAL" {
			t.Errorf("idle client is told %q", m.body)
		}
		io.WriteString(copying, "d\x00\x00\x00\x062\n"+"c\x00\x00\x00\x04")
		if kinds, _ := copying.until('Z'); kinds != "CZ" {
			t.Errorf("busy client gets %q", kinds)
		}
		if _, m := copying.until('E'); m.field('C') != "57P01" {
			t.Errorf("busy client is then told %q", m.body)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("out of time", func(t *testing.T) {
		server, addr := serve(t, wire.Options{})
		c := dialRaw(t, addr)
		c.startup(3<<16, "user", "postgres")
		c.until('Z')
		c.query("select repeat('x', 1000), generate_series(1, 1000000000)")
		c.until('D')
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		done := make(chan error)
		go func() { done <- server.Shutdown(ctx) }()
		m := rawMessage{}
		for m.field('S') != "FATAL" {
			_, m = c.until('E')
		}
		if m.field('C') != "57P01" {
			t.Errorf("client is told %q", m.body)
		}
		if _, err := c.read(); err == nil {
			t.Error("more after FATAL")
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// dribbler writes a byte at a time.
type dribbler struct{ net.Conn }

func (d dribbler) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestDribbledSession(t *testing.T) {
	_, addr := serve(t, wire.Options{})
	c := config(t, addr, "")
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return dribbler{nc}, err
	}
	conn, err := pgx.ConnectConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var got string
	if err := conn.QueryRow(t.Context(), "select $1::text || $2::int", strings.Repeat("x", 1000), 7).Scan(&got); err != nil || len(got) != 1001 {
		t.Errorf("%q, %v", got, err)
	}
}

// TestLargeRow carries 32 MB in one message either way.
func TestLargeRow(t *testing.T) {
	_, addr := serve(t, wire.Options{})
	conn := connect(t, addr, "")
	large := strings.Repeat("0123456789abcdef", 2<<20)
	var got string
	if err := conn.QueryRow(t.Context(), "select $1::text", large).Scan(&got); err != nil || got != large {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestGarbage sends what is no message after start-up; the server and its other
// sessions go on.
func TestGarbage(t *testing.T) {
	_, addr := serve(t, wire.Options{})
	other := connect(t, addr, "")
	for _, garbage := range []string{"\x00\x00\x00\x00\x00", "Q\xff\xff\xff\xff", "Q\x00\x00\x00\x03", "\xff\x00\x00\x00\x04", "GET / HTTP/1.1\r\n\r\n"} {
		c := dialRaw(t, addr)
		c.startup(3<<16, "user", "postgres")
		c.until('Z')
		io.WriteString(c, garbage)
		c.Conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		if err := other.Ping(t.Context()); err != nil {
			t.Fatalf("%q: %v", garbage, err)
		}
	}
}

// TestPsql runs the real client over the Unix socket.
func TestPsql(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("no psql on this machine")
	}
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := wire.ListenUnix(dir, 5432)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	server, err := wire.New(wire.Options{Cluster: c})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(t.Context(), l) }()
	cmd := exec.CommandContext(t.Context(), psql, "-X", "-At", "-v", "ON_ERROR_STOP=1",
		"-h", dir, "-p", "5432", "-U", "postgres", "-d", "postgres",
		"-c", "select 6 * 7", "-c", `\copy (select generate_series(1, 3)) to stdout`, "-c", `\conninfo`)
	out, err := cmd.CombinedOutput()
	if want := "42\n1\n2\n3\n"; err != nil || !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), filepath.Base(dir)) {
		t.Errorf("%s%v", out, err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestTooMany: a client beyond MaxClients is told so, and counted.
func TestTooMany(t *testing.T) {
	server, addr := serve(t, wire.Options{MaxClients: 1})
	first, err := pgx.ConnectConfig(t.Context(), config(t, addr, ""))
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	before := c.Stats().SessionsRefused
	_, err = pgx.ConnectConfig(t.Context(), config(t, addr, ""))
	if e := (*pgconn.PgError)(nil); !errors.As(err, &e) || e.Code != "53300" {
		t.Errorf("one client too many gets %v", err)
	}
	if n := c.Stats().SessionsRefused - before; n == 0 {
		t.Error("it was not counted")
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
