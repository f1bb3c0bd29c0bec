package peers

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// script is one for pgbench, which is also run in this process.
type script struct {
	name string
	text string
}

// The first two are pgbench's own for scale 1 (pgbench --show-script).
var (
	selectOnly = script{"select", `\set aid random(1, 100000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
`}
	tpcb = script{"tpc-b", `\set aid random(1, 100000)
\set bid random(1, 1)
\set tid random(1, 10)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
`}
	// insertOne is a transaction that waits for nothing but its commit record.
	insertOne = script{"insert", `\set delta random(-5000, 5000)
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, 1, :delta, CURRENT_TIMESTAMP);
`}
)

// load is what a server is measured with.
type load struct {
	script  script
	mode    string // of pgbench's -M
	clients int
}

func (l load) String() string { return fmt.Sprintf("%s/%s/%d", l.script.name, l.mode, l.clients) }

var (
	setLine  = regexp.MustCompile(`^\\set (\w+) random\((-?\d+), (-?\d+)\)$`)
	variable = regexp.MustCompile(`:[a-z]+`)
)

// transactions is a script as the messages that pgbench sends through libpq.
// pgbench waits for the answer to one statement before it sends the next.
type transactions struct {
	mode       string
	sets       []assignment
	statements []statement
	values     map[string]string // of the running transaction
	next       int               // statement
}

type assignment struct {
	name     string
	from, to int
}

type statement struct {
	name   string
	sql    string   // as in the script
	dollar string   // with $1 for the first parameter
	params []string // variables in the order of their parameters
}

// parse reads what the scripts above use of pgbench's language.
func parse(s script, mode string) (*transactions, error) {
	t := &transactions{mode: mode, values: map[string]string{}}
	for line := range strings.Lines(s.text) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, `\`) {
			st := statement{name: "P0_" + strconv.Itoa(len(t.statements)), sql: line}
			st.dollar = variable.ReplaceAllStringFunc(line, func(v string) string {
				st.params = append(st.params, v)
				return "$" + strconv.Itoa(len(st.params))
			})
			t.statements = append(t.statements, st)
			continue
		}
		m := setLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("script %s: %s", s.name, line)
		}
		a := assignment{name: ":" + m[1]}
		a.from, _ = strconv.Atoi(m[2])
		a.to, _ = strconv.Atoi(m[3])
		t.sets = append(t.sets, a)
	}
	return t, nil
}

// prepare is what comes before the first transaction.
func (t *transactions) prepare() ([]byte, error) {
	if t.mode != "prepared" {
		return nil, nil
	}
	var all []pgproto3.FrontendMessage
	for _, st := range t.statements {
		all = append(all, &pgproto3.Parse{Name: st.name, Query: st.dollar}, &pgproto3.Sync{})
	}
	return encode(nil, all...)
}

// statement appends the messages of the next statement to buf.
func (t *transactions) statement(buf []byte) (_ []byte, err error) {
	if t.next == 0 {
		for _, a := range t.sets {
			t.values[a.name] = strconv.Itoa(a.from + rand.IntN(a.to-a.from+1))
		}
	}
	st := &t.statements[t.next]
	if t.next++; t.next == len(t.statements) {
		t.next = 0
	}
	if t.mode == "simple" {
		sql := variable.ReplaceAllStringFunc(st.sql, func(v string) string { return t.values[v] })
		return encode(buf, &pgproto3.Query{String: sql})
	}
	bind := &pgproto3.Bind{}
	for _, p := range st.params {
		bind.Parameters = append(bind.Parameters, []byte(t.values[p]))
	}
	if t.mode == "prepared" {
		bind.PreparedStatement = st.name
	} else if buf, err = encode(buf, &pgproto3.Parse{Query: st.dollar}); err != nil {
		return nil, err
	}
	return encode(buf, bind, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
}

func encode(buf []byte, messages ...pgproto3.FrontendMessage) (_ []byte, err error) {
	for _, m := range messages {
		if buf, err = m.Encode(buf); err != nil {
			return nil, err
		}
	}
	return buf, nil
}
