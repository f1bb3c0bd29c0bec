package pglite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
)

// TestLoginIgnoresOthersSettings: what a client has set has no say in the
// queries that the cluster itself runs with a superuser's rights.
func TestLoginIgnoresOthersSettings(t *testing.T) {
	c := openCluster(t, nil)
	admin := connect(t, c, nil)
	exec(t, admin, `create role mallory login; create schema evil authorization mallory;
		create role "jürgen" login`)
	asMallory := func(cfg *pgx.ConnConfig) { cfg.User = "mallory" }
	m := connect(t, c, asMallory)
	exec(t, m, `create function evil.eq(name, name) returns bool language plpgsql as
		$$ begin execute 'alter role mallory superuser'; return true; exception when others then return true; end $$;
		create operator evil.= (function = evil.eq, leftarg = name, rightarg = name)`)
	for name, set := range map[string]string{
		"search_path":       "set search_path = evil, pg_catalog",
		"statement_timeout": "set statement_timeout = 1",
		"read only":         "set default_transaction_read_only = on",
		"role's":            "alter role mallory set search_path = evil, pg_catalog",
	} {
		exec(t, m, set)
		for range 3 {
			connect(t, c, func(cfg *pgx.ConnConfig) { cfg.User = "jürgen" })
			_, _ = m.Exec(t.Context(), "select 1")
		}
		if name == "role's" {
			m = connect(t, c, asMallory)
			connect(t, c, nil)
		} else {
			for { // statement_timeout = 1 may hit this, too
				if _, err := m.Exec(t.Context(), "reset all"); err == nil {
					break
				}
			}
		}
		if got := value(t, admin, "select rolsuper from pg_roles where rolname = 'mallory'"); got != "f" {
			t.Fatalf("%s has made mallory a superuser", name)
		}
	}
}

// TestLargeRoleSettings: a role's settings may be of any size.
func TestLargeRoleSettings(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	exec(t, a, "create role app login")
	exec(t, a, "alter role app set app.long = '"+strings.Repeat("x", 200_000)+"'")
	b := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.User = "app" })
	if got := value(t, b, "select length(current_setting('app.long'))"); got != "200000" {
		t.Errorf("the setting has %s bytes", got)
	}
}

// TestBackendThatEndedIdle: a backend that a time-out has ended between two
// clients is not handed out.
func TestBackendThatEndedIdle(t *testing.T) {
	c := openCluster(t, nil)
	a, b := connect(t, c, nil), connect(t, c, nil)
	for range 2 {
		a = connect(t, c, nil)
		exec(t, a, "set idle_session_timeout = 20")
		for deadline := time.Now().Add(10 * time.Second); a.PgConn().CheckConn() == nil; {
			if time.Now().After(deadline) {
				t.Fatal("an idle session outlives its time-out")
			}
			time.Sleep(5 * time.Millisecond)
		}
		if got := value(t, b, "select 1"); got != "1" {
			t.Errorf("got %q", got)
		}
	}
}

// TestStatementsOfClosedSessionsGo: the guest does not keep what nobody can
// use.
func TestStatementsOfClosedSessionsGo(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	b := connect(t, c, nil)
	for k := range 300 {
		if _, err := b.PgConn().Prepare(t.Context(), fmt.Sprint("s", k), "select 1", nil); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, a, "select 1") // a has it now: it is not b's state that is discarded
	_ = b.Close(t.Context())
	connect(t, c, nil)
	if n := pglite.Prepared(t.Context(), c); n > 256 {
		t.Errorf("%d statements are left", n)
	}
}

// TestContextEndsWait: a session whose context ends while it waits for a
// backend tells its client so, and nothing else.
func TestContextEndsWait(t *testing.T) {
	c := openCluster(t, nil)
	holder := connect(t, c, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := c.NewSession(ctx, pglite.SessionOptions{User: "postgres"})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, holder, "begin")
	cl := &scriptedClient{in: strings.NewReader("Q\x00\x00\x00\x0dselect 1\x00")}
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := s.Serve(ctx, cl); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve gives %v", err)
	}
	if got := cl.out.String(); strings.Count(got, "FATAL\x00V") != 1 || !strings.Contains(got, "C57P01\x00") {
		t.Errorf("the client is told %q", got)
	}
}

// scriptedClient sends what in has, and keeps what it is sent.
type scriptedClient struct {
	in  *strings.Reader
	out strings.Builder
}

func (c *scriptedClient) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *scriptedClient) Write(p []byte) (int, error) { return c.out.Write(p) }
func (c *scriptedClient) Flush() error                { return nil }
func (c *scriptedClient) Buffered() int               { return c.in.Len() }
