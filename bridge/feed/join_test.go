package feed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/change"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

func TestJoin(t *testing.T) {
	l := open(t, feed.Options{Start: 1})
	transaction := func(lsn wal.LSN, xid uint32) *change.Set {
		s := set(lsn, insert(people, int64(xid), "x"))
		s.XID = xid
		return s
	}
	appended(t, l, transaction(10, 101), transaction(20, 105), transaction(30, 103), transaction(40, 106))
	for _, c := range []struct {
		name, snapshot string
		until, from    wal.LSN
		want           []wal.LSN
	}{
		{"all seen", "110:110:", 40, 40, []wal.LSN{50}},
		{"running though logged", "103:107:103", 40, 20, []wal.LSN{30, 50}},
		{"two of them", "101:107:101,103", 40, 1, []wal.LSN{10, 30, 50}},
		{"not yet begun", "105:105:", 40, 10, []wal.LSN{20, 40, 50}},
		{"another epoch", "4294967401:4294967403:4294967401", 40, 10, []wal.LSN{20, 50}},
	} {
		j, err := l.Join(c.snapshot, c.until)
		if err != nil || j.From != c.from || j.Until != c.until {
			t.Errorf("%s: %+v, %v", c.name, j, err)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := subscribe(t, l, feed.SubscribeOptions{From: feed.After(j.From), Join: j})
			if c.name == "all seen" {
				appended(t, l, transaction(50, 108))
			}
			expect(t, s, c.want...)
		})
	}
	for _, bad := range []string{"", "1", "1:2", "2:1:", "a:2:", "1:2:x", "1:2:3:4"} {
		if j, err := l.Join(bad, 1); err == nil {
			t.Errorf("%q gives %+v", bad, j)
		}
	}
}

// TestJoinForgotten takes a snapshot in which a transaction runs that has been in the
// log for too long to be remembered.
func TestJoinForgotten(t *testing.T) {
	l := open(t, feed.Options{Start: 1})
	appended(t, l, set(10, insert(people, 1, "stuck")))
	for lsn := wal.LSN(11); lsn < 1<<16+100; lsn++ {
		appended(t, l, set(lsn))
	}
	if j, err := l.Join("10:70000:10", l.Last()); err != nil || j.From != 1 {
		t.Errorf("%+v, %v", j, err)
	}
	if j, err := l.Join("69000:70000:69000", l.Last()); err != nil || j.From != l.Last() {
		t.Errorf("%+v, %v", j, err)
	}
}

// server is a database whose commits come into the log by another decoder.
type server struct {
	conn *pgx.Conn
	log  *feed.Log
	dsn  string
}

var row = regexp.MustCompile(`^table public\.t: (INSERT|UPDATE|DELETE): id\[integer\]:(-?\d+)(?: v\[integer\]:(\d+))?$`)

var counters = &change.Table{OID: 1, Schema: "public", Name: "t", Identity: change.IdentityDefault, Columns: []change.Column{
	{Name: "id", Number: 1, Type: int4, Typmod: -1, Key: true}, {Name: "v", Number: 2, Type: int4, Typmod: -1},
}}

// follow appends what test_decoding has of the slot.
func (s *server) follow(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, "select lsn::text, xid::text, data from pg_logical_slot_get_changes('feed', null, null)")
	if err != nil {
		return err
	}
	defer rows.Close()
	var next *change.Set
	for rows.Next() {
		var lsn, xid, data string
		if err := rows.Scan(&lsn, &xid, &data); err != nil {
			return err
		}
		number, err := strconv.ParseUint(xid, 10, 32)
		if err != nil {
			return err
		}
		switch m := row.FindStringSubmatch(data); {
		case strings.HasPrefix(data, "BEGIN"):
			next = &change.Set{Database: "app", XID: uint32(number)}
		case strings.HasPrefix(data, "COMMIT"):
			if next.LSN, err = wal.ParseLSN(lsn); err != nil {
				return err
			}
			if err := s.log.Append(next); err != nil {
				return err
			}
		case m == nil:
			return fmt.Errorf("unexpected %q", data)
		default:
			id, _ := strconv.ParseInt(m[2], 10, 64)
			v, _ := strconv.ParseInt(m[3], 10, 64)
			c := change.Change{Kind: map[string]change.Kind{"INSERT": change.Insert, "UPDATE": change.Update, "DELETE": change.Delete}[m[1]], Table: counters}
			if c.Kind == change.Delete {
				c.Old = []any{id, nil}
			} else {
				c.New = []any{id, v}
			}
			next.Changes = append(next.Changes, c)
		}
	}
	return rows.Err()
}

// Snapshot implements feed.Snapshotter.
func (s *server) Snapshot(ctx context.Context, database string) (feed.Snapshot, error) {
	conn, err := pgx.Connect(ctx, s.dsn)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	return &reading{conn, tx}, err
}

type reading struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

func (r *reading) State(ctx context.Context) (snapshot string, insert wal.LSN, err error) {
	var lsn string
	if err = r.tx.QueryRow(ctx, "select pg_current_snapshot()::text").Scan(&snapshot); err == nil {
		err = r.tx.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&lsn)
	}
	if err == nil {
		insert, err = wal.ParseLSN(lsn)
	}
	return snapshot, insert, err
}

func (r *reading) Tables(context.Context) ([]*change.Table, error) {
	return []*change.Table{counters}, nil
}

func (r *reading) Rows(ctx context.Context, t *change.Table, yield func([]*string) bool) error {
	rows, err := r.tx.Query(ctx, "select id::text, v::text from t")
	if err != nil {
		return err
	}
	defer rows.Close()
	texts := make([]*string, 2)
	for rows.Next() {
		if err := rows.Scan(&texts[0], &texts[1]); err != nil {
			return err
		}
		if !yield(texts) {
			return nil
		}
	}
	return rows.Err()
}

func (r *reading) Close() error { return r.conn.Close(context.Background()) }

// copied is a table made of a snapshot and the stream behind it. Anything that comes
// twice or is missing shows at once, or in the end.
type copied map[int64]int64

func (c copied) apply(s *change.Set) error {
	for k := range s.Changes {
		ch := &s.Changes[k]
		row := ch.New
		if ch.Kind == change.Delete {
			row = ch.Old
		}
		id := row[0].(int64)
		if _, there := c[id]; there == (ch.Kind == change.Insert) {
			return fmt.Errorf("%v of row %d at %v by %d, which is there: %v", ch.Kind, id, s.LSN, s.XID, there)
		}
		if ch.Kind == change.Delete {
			delete(c, id)
		} else {
			c[id] = row[1].(int64)
		}
	}
	return nil
}

// last is the row that is inserted when no other one will be.
const last = -1

// TestSnapshot joins snapshots of a real server with the stream of its commits, taken
// while others write, and holds the copies against the table.
func TestSnapshot(t *testing.T) {
	n := need.StartNative(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(ctx, n.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return conn
	}
	s := &server{conn: connect(), log: open(t, feed.Options{}), dsn: n.URL("postgres")}
	for _, sql := range []string{
		"create table t (id int primary key, v int)", "insert into t select g, 0 from generate_series(1, 1000) g",
		"select pg_create_logical_replication_slot('feed', 'test_decoding')",
	} {
		if _, err := s.conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var writers, subscribers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		conn := connect()
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(w)))
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := w*1000 + rng.IntN(500)
				sql := []string{
					"insert into t values ($1, 1) on conflict do nothing", "update t set v = v + 1 where id = $1", "delete from t where id = $1",
				}[rng.IntN(3)]
				if _, err := conn.Exec(ctx, sql, id); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	copies := make([]copied, need.Choose(6, 120))
	for k := range copies {
		if err := s.follow(ctx); err != nil {
			t.Fatal(err)
		}
		sub, err := s.log.Subscribe(ctx, feed.SubscribeOptions{Database: "app", Snapshot: s})
		if err != nil {
			t.Fatal(err)
		}
		copies[k] = copied{}
		subscribers.Go(func() {
			defer sub.Close()
			for copies[k][last] == 0 {
				set, err := sub.Next(ctx)
				if err == nil {
					err = copies[k].apply(set)
				}
				if err != nil {
					t.Errorf("subscriber %d: %v (joined %+v)", k, err, sub.Join())
					return
				}
			}
		})
	}
	close(stop)
	writers.Wait()
	if _, err := s.conn.Exec(ctx, "insert into t values ($1, 1)", last); err != nil {
		t.Fatal(err)
	}
	if err := s.follow(ctx); err != nil {
		t.Fatal(err)
	}
	subscribers.Wait()
	rows, err := s.conn.Query(ctx, "select id, v from t")
	if err != nil {
		t.Fatal(err)
	}
	want := copied{}
	for rows.Next() {
		var id, v int64
		if err := rows.Scan(&id, &v); err != nil {
			t.Fatal(err)
		}
		want[id] = v
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	for k, c := range copies {
		if fmt.Sprint(c) != fmt.Sprint(want) {
			t.Errorf("copy %d has %d rows and the table %d, or others", k, len(c), len(want))
		}
	}
}
