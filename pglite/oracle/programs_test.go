package oracle_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// command is one of Postgres' client programs, told where the server is and
// nothing else of the tester's settings.
func command(addr, program string, args ...string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(program, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "PGCONNECT_TIMEOUT=60",
		"PGHOST=" + host, "PGPORT=" + port, "PGUSER=postgres", "PGDATABASE=postgres", "PGSSLMODE=disable",
	}
	return cmd
}

func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// The statements and errors that pgbench counts itself.
var (
	processed = regexp.MustCompile(`number of transactions actually processed: ([0-9]+)`)
	failed    = regexp.MustCompile(`number of failed transactions: ([0-9]+) `)
)

// TestPgbench loads a database with COPY and runs every built-in script in
// every query mode, with one client and with eight.
func TestPgbench(t *testing.T) {
	pgbench := need.Pgbench(t)
	addr := startHowdah(t, pglite.Options{})
	run(t, command(addr, pgbench, "-i", "-s", "10", "-q"))
	if rows := admin(t, addr, "select count(*), sum(abalance) from pgbench_accounts"); rows[0][0] != "1000000" || rows[0][1] != "0" {
		t.Fatalf("pgbench -i has loaded %s", rows[0])
	}
	transactions := need.Size(2000)
	for _, script := range []string{"tpcb-like", "simple-update", "select-only"} {
		for _, mode := range []string{"simple", "extended", "prepared"} {
			for _, clients := range []int{1, 8} {
				t.Run(fmt.Sprintf("%s/%s/%d", script, mode, clients), func(t *testing.T) {
					out := run(t, command(addr, pgbench, "-n", "-b", script, "-M", mode,
						"-c", fmt.Sprint(clients), "-j", fmt.Sprint(min(clients, 2)), "-t", fmt.Sprint(transactions/clients)))
					if m := processed.FindStringSubmatch(out); m == nil || m[1] != fmt.Sprint(transactions/clients*clients) {
						t.Errorf("processed %v of %d transactions", m, transactions)
					}
					if m := failed.FindStringSubmatch(out); m == nil || m[1] != "0" {
						t.Errorf("failed: %v", m)
					}
					if t.Failed() {
						t.Log(out)
					}
				})
			}
		}
	}
	sums := admin(t, addr, `select (select sum(abalance) from pgbench_accounts), (select sum(delta) from pgbench_history),
		(select sum(tbalance) from pgbench_tellers), (select sum(bbalance) from pgbench_branches)`)[0]
	if sums[0] != sums[1] || sums[2] != sums[3] {
		t.Errorf("accounts %s, history %s, tellers %s, branches %s do not add up", sums[0], sums[1], sums[2], sums[3])
	}
}

// TestPgbenchPipeline runs a script of pgbench's own pipelines.
func TestPgbenchPipeline(t *testing.T) {
	pgbench := need.Pgbench(t)
	addr := startHowdah(t, pglite.Options{})
	run(t, command(addr, pgbench, "-i", "-q"))
	script := filepath.Join(t.TempDir(), "pipeline.sql")
	if err := os.WriteFile(script, []byte(`\set a random(1, 100000)
\startpipeline
begin;
update pgbench_accounts set abalance = abalance + 1 where aid = :a;
select abalance from pgbench_accounts where aid = :a;
insert into pgbench_history (aid, delta) values (:a, 1);
commit;
\endpipeline
`), 0o600); err != nil {
		t.Fatal(err)
	}
	n := need.Size(1000)
	for _, mode := range []string{"extended", "prepared"} {
		run(t, command(addr, pgbench, "-n", "-f", script, "-M", mode, "-c", "2", "-t", fmt.Sprint(n/2)))
	}
	if rows := admin(t, addr, "select sum(abalance), (select count(*) from pgbench_history) from pgbench_accounts"); rows[0][0] != fmt.Sprint(n/2*4) || rows[0][1] != rows[0][0] {
		t.Errorf("pipelines of %d transactions have left %s", n/2*4, rows[0])
	}
}

// TestPgbenchSoak loads one gigabyte on a directory, restarts and asks for it.
func TestPgbenchSoak(t *testing.T) {
	if need.Size(10) != 10 {
		t.Skip("for the soak run")
	}
	pgbench, dir := need.Pgbench(t), t.TempDir()
	t.Run("load", func(t *testing.T) {
		addr := startHowdah(t, pglite.Options{Dir: dir})
		run(t, command(addr, pgbench, "-i", "-s", "70", "-q"))
		admin(t, addr, "checkpoint")
	})
	t.Run("reopen", func(t *testing.T) {
		addr := startHowdah(t, pglite.Options{Dir: dir})
		if rows := admin(t, addr, "select count(*), min(aid), max(aid) from pgbench_accounts"); strings.Join(rows[0], " ") != "7000000 1 7000000" {
			t.Errorf("the restarted cluster has %s", rows[0])
		}
		run(t, command(addr, pgbench, "-n", "-c", "8", "-M", "prepared", "-t", "1000"))
	})
}

// described are the listing commands of psql. Left out is \l, which shows the
// locale's name (see deviations) and sizes of files.
const described = `
\d
\d+ kids
\d+ parents
\d+ parent_names
\d parents_id_seq
\d parents_pkey
\d+ measures
\dt+ kids
\di
\ds
\dv
\dm
\dE
\dP+
\df+ double
\df
\da
\dT+
\dD
\dn+
\du
\drds
\dp
\ddp
\dx
\dx+ plpgsql
\dL
\do
\dO
\dc
\dC int4
\dd
\db
\des
\dew
\det
\deu
\dF
\dF+ english
\dFd english_stem
\dFp
\dFt
\dRp+
\dRs
\dy
\dA
\dAc btree int4
\dAf hash int4
\dAo brin
\dAp gin
\dX
\dl
\dconfig work_mem
\sf double
\sv parent_names
\z
\encoding
\dt pg_catalog.pg_cl*
\dS+ pg_type
\d information_schema.tables
\df pg_catalog.json*
\do pg_catalog.||
`

const describedSchema = `
create table parents (id serial primary key, name varchar(20) not null default 'x' check (name <> ''), tags text[], unique (name, tags));
create table kids (id bigint generated always as identity, parent int references parents on delete cascade, n numeric(6,2) generated always as (1.5) stored);
create index on kids (parent desc) where id > 5;
create view parent_names as select name, count(*) from parents group by name;
create materialized view m as select 1 as one;
create table measures (at date, v float8) partition by range (at);
create table measures_1 partition of measures for values from ('2024-01-01') to ('2025-01-01');
create function double(a int, b text default 'x') returns int language sql immutable as 'select a * 2';
create type mood as enum ('sad', 'ok');
create domain posint as int check (value > 0);
create role reader;
grant select (name), insert on parents to reader;
alter default privileges grant select on tables to reader;
alter role reader set work_mem = '8MB';
comment on table parents is 'a comment';
create statistics st on name, tags from parents;
alter table kids enable row level security;
create policy p on kids using (id > 0);
create function trg() returns trigger language plpgsql as 'begin return new; end';
create trigger t before insert on kids for each row execute function trg();
create publication pub for table parents where (id > 5);
create foreign data wrapper fdw;
create server srv foreign data wrapper fdw;
create foreign table ft (a int) server srv;
create user mapping for current_user server srv;
`

// TestPsql requires psql's listings to look as they do with a native server.
func TestPsql(t *testing.T) {
	psql := need.Psql(t)
	var out [2][]string
	for i, addr := range []string{startNative(t), startHowdah(t, pglite.Options{})} {
		run(t, command(addr, psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", describedSchema))
		for what := range strings.Lines(strings.TrimPrefix(described, "\n")) {
			// An older psql fails at some, and then with both alike.
			answer, _ := command(addr, psql, "-X", "-q", "-c", strings.TrimSpace(what)).CombinedOutput()
			out[i] = append(out[i], string(answer))
		}
	}
	k := 0
	for what := range strings.Lines(strings.TrimPrefix(described, "\n")) {
		if out[0][k] != out[1][k] {
			t.Errorf("%swith the native server:\n%s\nwith Howdah:\n%s", what, out[0][k], out[1][k])
		}
		k++
	}
}

// TestPgDump shows that an older pg_dump learns the server's version and says
// that it is too old, which is all that it can do.
func TestPgDump(t *testing.T) {
	program := need.PgDump(t)
	version := run(t, exec.Command(program, "--version"))
	addr := startHowdah(t, pglite.Options{})
	cmd := command(addr, program, "--schema-only")
	out, err := cmd.CombinedOutput()
	if strings.Contains(version, " 18.") {
		if err != nil {
			t.Fatalf("%s: %v\n%s", version, err, out)
		}
		return
	}
	if err == nil || !strings.Contains(string(out), "server version: 18.") || !strings.Contains(string(out), "aborting because of server version mismatch") {
		t.Errorf("%s: %v\n%s", version, err, out)
	}
}
