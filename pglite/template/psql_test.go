package template

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
	"github.com/howdahdb/howdah/pglite/wire"
)

// statementLog is what Postgres says with log_statement=all.
type statementLog struct {
	mu  sync.Mutex
	all []string
}

func (l *statementLog) Write(p []byte) (int, error) {
	var event struct{ Message string }
	if err := json.Unmarshal(p, &event); err != nil {
		return 0, err
	}
	if sql, ok := strings.CutPrefix(event.Message, "statement: "); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all = append(l.all, strings.TrimRight(sql, "; \n"))
	}
	return len(p), nil
}

// logged opens a cluster that tells its clients' statements.
func logged(t *testing.T) (*pglite.Cluster, *statementLog) {
	l := &statementLog{}
	c, err := pglite.Open(t.Context(), pglite.Options{
		Logger: zerolog.New(l), MaxBackends: 2,
		Settings: []pglite.Setting{{Name: "log_statement", Value: "all"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c, l
}

// tricky is what is easily cut at the wrong place. Nothing in it fails.
const tricky = `create table t (a int, b text, "c;d" text default ';');
insert into t values (1, 'it''s; \'), (2, E'it''s; \';'); select 1; select 2
;
create function f(x int) returns int language plpgsql as $body$
begin
  -- a comment; with 'one quote
  return x; /* $$ ; */
end; $body$;
create or replace function g(x int) returns int begin atomic
  select 1; select case when x > 0 then (select 2) else 3 end; end;
create procedure p() begin atomic insert into t (a) values (3); insert into t (a) values (4); end; call p();
create rule r as on update to t do also (select 1; select 2);
select /* a comment /* within; */ one; */ $$;$$ || $a$ $$;$$ $a$, 'a' as a$b$c, "c;d" from t; begin; select 1; end;
select 1 - -1 -- not; the end
, 5 /* ; */ ; copy t (a, b) from stdin;
5	;select 'no';
6	\\.
\.
copy t (a) from stdin with (delimiter ';');
7
\.
select count(*) from t;
do $do$ begin perform 1; end $do$;
create view "v;w" as select U&'d\0061t\+000061', B'101' as b, X'1f' as x, n'x' as n from t; select '
;
' as "
;
"; select 1 as ü, $ü$;$ü$; create table begin_case_end (begin_ int, end_ text)
`

// TestLikePsql: Postgres gets the same statements from us as from psql.
func TestLikePsql(t *testing.T) {
	psql := need.Psql(t)
	theirs, theirLog := logged(t)
	front, err := wire.New(wire.Options{Cluster: theirs})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- front.Serve(context.WithoutCancel(t.Context()), l) }()
	cmd := exec.CommandContext(t.Context(), psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-",
		"postgres://postgres@"+l.Addr().String()+"/postgres?sslmode=disable")
	cmd.Stdin = strings.NewReader(tricky)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("psql: %v: %s", err, stderr.Bytes())
	}
	if err := front.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}

	ours, ourLog := logged(t)
	s, err := File(files(map[string]string{"tricky.sql": tricky}), "tricky.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	want := theirLog.all
	if k := slices.Index(want, "close all"); k >= 0 { // the host's, after the client has left
		want = want[:k]
	}
	want = append(slices.Clip(want), "discard all")
	if len(want) < 25 {
		t.Fatalf("psql has sent %d statements: %q", len(want), want)
	}
	for k := range want {
		if got, want := at(ourLog.all, k), at(want, k); got != want {
			t.Fatalf("statement %d is %q, psql's %q", k, got, want)
		}
	}
	const rows = "select string_agg(a || coalesce(b, ''), ' ' order by a) from t"
	if got, want := value(t, ours, rows), value(t, theirs, rows); got != want || !slices.Contains(strings.Fields(got), "7") {
		t.Errorf("rows are %s, psql's %s", got, want)
	}
}

func at(all []string, k int) string {
	if k < len(all) {
		return all[k]
	}
	return "(none)"
}
