package bundle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/wal"
	"github.com/howdahdb/howdah/cmd/bundle"
	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// reader is a subscriber with what it has made of the sets.
type reader struct {
	db      *bundle.Database
	name    string
	sub     *feed.Subscription
	join    feed.Join // of its snapshot
	whole   bool      // the snapshot has been read
	replica *replica
	acked   wal.LSN
	again   func() bool // whether to come again now
}

func (r *reader) subscribe(ctx context.Context, o feed.SubscribeOptions) (err error) {
	o.Database, o.Credit = "postgres", 1000
	r.sub, err = r.db.Subscribe(ctx, o)
	return err
}

// next applies one set, and now and then leaves and comes again.
func (r *reader) next(ctx context.Context) error {
	set, err := r.sub.Next(ctx)
	if err != nil {
		return err
	}
	if err := r.replica.apply(set); err != nil {
		return fmt.Errorf("%s, set at %v of transaction %d: %w", r.name, set.LSN, set.XID, err)
	}
	if set.More {
		return nil
	}
	r.whole, r.acked = true, max(r.acked, set.LSN)
	r.sub.Ack(set.LSN)
	if r.again == nil || !r.again() {
		return nil
	}
	if err := r.sub.Close(); err != nil {
		return err
	}
	return r.subscribe(context.WithoutCancel(ctx), feed.SubscribeOptions{From: feed.After(r.acked), Join: r.join})
}

// follow reads until ctx ends, and then until a position.
func (r *reader) follow(ctx context.Context, last func() wal.LSN) error {
	for ctx.Err() == nil {
		if err := r.next(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	rest, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for !r.whole || r.sub.Position() < last() {
		// Position gets where no set is, too, but within a call of Next.
		now, stop := context.WithTimeout(rest, 100*time.Millisecond)
		err := r.next(now)
		stop()
		if err != nil && (!errors.Is(err, context.DeadlineExceeded) || rest.Err() != nil) {
			return err
		}
	}
	return r.sub.Close()
}

// TestJoin takes snapshots while others write, and compares what subscribers have
// made of them and of the stream with the tables, and with what one has made of the
// stream alone, value by value.
func TestJoin(t *testing.T) {
	for _, c := range []struct {
		name string
		ddl  bool
		dir  string
	}{
		{"memory", false, ""},
		{"directory", false, filepath.Join(t.TempDir(), "data")},
		{"ddl", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := open(t, bundle.Options{Cluster: options(c.dir)})
			testJoin(t, db, rand.New(rand.NewPCG(pickSeed(t), 1)), c.ddl)
		})
	}
}

func testJoin(t *testing.T, db *bundle.Database, rng *rand.Rand, ddl bool) {
	streamed := &reader{db: db, name: "stream", replica: newReplica(), whole: true}
	if err := streamed.subscribe(t.Context(), feed.SubscribeOptions{From: feed.Start}); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, db)
	exec(t, conn, joined...)

	writing, written := context.WithCancel(t.Context())
	var writers, readers sync.WaitGroup
	defer readers.Wait()
	defer written()
	for id := range 5 {
		w := &joinWriter{id: id, conn: connect(t, db), rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), ddl: ddl && id == 0}
		writers.Go(func() {
			if err := w.run(writing); err != nil {
				t.Errorf("writer %d: %v", w.id, err)
			}
		})
	}
	var last wal.LSN
	reading, read := context.WithCancel(t.Context())
	defer read()
	all := []*reader{streamed}
	start := func(r *reader) {
		readers.Go(func() {
			if err := r.follow(reading, func() wal.LSN { return last }); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
		})
	}
	start(streamed)
	snapshots := need.Size(60)
	if testing.Short() {
		snapshots = 2
	}
	for k := range snapshots {
		time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond)
		r := &reader{db: db, name: fmt.Sprintf("snapshot %d", k), replica: newReplica()}
		if err := r.subscribe(t.Context(), feed.SubscribeOptions{Snapshot: db.Tables()}); err != nil {
			t.Fatal(err)
		}
		if r.join = r.sub.Join(); k%2 == 1 {
			again := rand.New(rand.NewPCG(rng.Uint64(), 3))
			r.again = func() bool { return again.IntN(20) == 0 }
		}
		all = append(all, r)
		start(r)
	}
	time.Sleep(200 * time.Millisecond)
	written()
	writers.Wait()
	last = settled(t, db)
	read()
	readers.Wait()
	if t.Failed() {
		return
	}
	want, err := dump(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	values, err := streamed.replica.bytes()
	if err != nil {
		t.Fatal(err)
	}
	during := 0
	for _, r := range all {
		if running := strings.LastIndexByte(r.join.Snapshot, ':'); running >= 0 && running < len(r.join.Snapshot)-1 {
			during++
		}
		if d := difference(r.replica.lines(), want); d != "" {
			t.Errorf("%s, joined from %v to %v by %s, is not what the tables are:\n%s", r.name, r.join.From, r.join.Until, r.join.Snapshot, d)
			continue
		}
		got, err := r.replica.bytes()
		if err != nil {
			t.Fatal(err)
		}
		for k := range got {
			if !bytes.Equal(got[k], values[k]) {
				t.Errorf("%s has other values than the stream alone:\n%q\n%q", r.name, got[k], values[k])
				break
			}
		}
	}
	t.Logf("%d rows, %d subscribers, %d with transactions under way at their snapshot, up to %v", len(want), len(all), during, last)
}

// joined are the tables that are written to.
var joined = []string{
	"create extension hstore",
	"create type mood as enum ('sad', 'ok', 'happy')",
	"create type pair as (a int, b text[])",
	"create domain short as varchar(20) check (value <> '')",
	"create table counters (writer int, k int, n int, w int, primary key (writer, k))",
	"insert into counters select w, k, 0, k from generate_series(0, 4) w, generate_series(0, 40) k",
	"create table kept (writer int, n int, pad text, note text, primary key (n, writer))",
	"create table whole (writer int, v text, big text)",
	"alter table whole replica identity full",
	"create table s_empty (id int primary key)",
	`create table vals (id int generated always as identity primary key, twice int generated always as (id * 2) stored, thrice int generated always as (id * 3) virtual,
		b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, n2 numeric(12, 3), t text, vc short, c char(5), ch "char", nm name, by bytea,
		d date, tm time, tz timetz, ts timestamp, tsz timestamptz, iv interval, u uuid, j json, jb jsonb, m mood, ms mood[], p pair, ps pair[],
		ir int4range, nr numrange, imr int4multirange, ip inet, ci cidr, ma macaddr, bt bit(9), vb varbit, mo money, pt point, bx box, bxs box[], po polygon, ls lseg, pa path, cr circle, li line,
		ia int[], ta text[], iaa int[][], tv tsvector, tq tsquery, ov oidvector, rc regclass, h hstore, hs hstore[], jp jsonpath, l pg_lsn, x xid8, xm xml)`,
}

// valsSQL adds a row of vals, with values that depend on $1; each may be NULL.
const valsSQL = `insert into vals (b, i2, i8, f4, f8, n, n2, t, vc, c, ch, nm, by, d, tm, tz, ts, tsz, iv, u, j, jb, m, ms, p, ps, ir, nr, imr, ip, ci, ma, bt, vb, mo, pt, bx, bxs, po, ls, pa, cr, li,
		ia, ta, iaa, tv, tq, ov, rc, h, hs, jp, l, x, xm)
	select i % 2 = 0, i % 30000, i * 123456789012, 1.0 / (i + 1), case i % 9 when 0 then 'NaN' when 1 then '-Infinity' else random() * 10::float8 ^ (i % 60 - 30) end,
		case i % 11 when 0 then 'NaN' when 1 then 'Infinity' else round((random() * 1e9)::numeric, i % 9) end, i / 7.0, repeat(md5(i::text), i % 9), 'v' || i, left(md5(i::text), i % 5), chr(i % 120 + 1)::"char", md5(i::text), decode(repeat(md5(i::text), i % 4), 'hex'),
		date '0001-01-01 BC' + i * 99, time '00:00' + i * interval '17.03 s', timetz '12:00+03' + i * interval '1.5 s', case i % 13 when 0 then 'infinity' else timestamp '1999-12-31' + i * interval '3.0001 h' end, timestamptz '2024-02-29 12:00+00' - i * interval '77 h', make_interval(months => i % 40 - 20, days => i % 9 - 4, secs => i * 1.25),
		md5(i::text)::uuid, json_build_object('k',  i, 'l', array[1,2]), jsonb_build_object('k', i / 4.0, 'l', array['x', null], 'm', null), (array['sad', 'ok', 'happy'])[i % 3 + 1]::mood, array['ok', null, 'sad']::mood[], row(i, array['a b', null, 'c"d'])::pair, array[row(i, null)::pair, null],
		int4range(i, i + 5), numrange(null, i / 3.0, '[]'), int4multirange(int4range(i, i + 2), int4range(i + 9, null)), inet '10.0.0.0/9' + i, network(set_masklen(inet '192.168.7.9' + i, i % 33)), left(md5(i::text), 12)::macaddr, i::bit(9), left(i::bit(32)::text, i % 31)::varbit, (i / 9.0)::numeric::money,
		point(i, 0.1), box(point(i, 0), point(0, -1)), array[box(point(1, 1), point(0, 0)), box(point(i, 2), point(0, 0))], polygon(3, circle(point(i, 1), 2)), lseg(point(1, i), point(2, 0)), path '[(0,0),(1,1.5)]', circle(point(i, i), 1.5), '{1,-1,0.5}',
		array[i, null, -i], array['a,b', '', 'NULL', null, '"'], array[[i, 2], [3, 4]], to_tsvector('english', 'the fat cats ' || i), ('fat & !rat' || i)::tsquery, '1 2 3', 'vals'::regclass, hstore('k' || i, null) || 'a=>"b c"', array[hstore('k', i::text)],
		'$.a[*] ? (@.b > 1)', '1/2'::pg_lsn + i, i::text::xid8, xmlelement(name e, i)
	from (select $1::int) as v(i)`

// joinWriter is one of the sessions that write.
type joinWriter struct {
	id   int
	conn *pgx.Conn
	rng  *rand.Rand
	n    int
	ddl  bool
	// large lets transactions be large enough to come in parts.
	large bool
}

func (w *joinWriter) run(ctx context.Context) error {
	for steps := 0; ctx.Err() == nil; steps++ {
		// What has begun is ended: the session goes on with another context.
		if err := w.step(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		time.Sleep(time.Duration(w.rng.IntN(3)) * time.Millisecond)
	}
	return nil
}

func (w *joinWriter) step(ctx context.Context) error {
	switch p := w.rng.IntN(100); {
	case w.ddl:
		return w.change(ctx)
	case p < 60:
		return w.write(ctx, w.conn)
	case p < 90: // a long one, with parts that are rolled back
		return w.long(ctx)
	default:
		rows := 200
		if w.large && p == 99 {
			rows = 9000
		}
		w.n += rows
		_, err := w.conn.Exec(ctx, "insert into kept select $1, g, repeat(md5(g::text), g % 3), null from generate_series($2::int - $3::int + 1, $2) g", w.id, w.n, rows)
		return err
	}
}

func (w *joinWriter) long(ctx context.Context) error {
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	for range 1 + w.rng.IntN(6) {
		if err := w.write(ctx, tx); err != nil {
			return err
		}
		sub, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		if err := w.write(ctx, sub); err != nil {
			return err
		}
		if w.rng.IntN(2) == 0 {
			err = sub.Rollback(ctx)
		} else {
			err = sub.Commit(ctx)
		}
		if err != nil {
			return err
		}
		time.Sleep(time.Duration(w.rng.IntN(20)) * time.Millisecond)
	}
	if w.rng.IntN(5) == 0 {
		return tx.Rollback(ctx)
	}
	return tx.Commit(ctx)
}

// write changes rows of the writer's own.
func (w *joinWriter) write(ctx context.Context, tx interface {
	Begin(context.Context) (pgx.Tx, error)
}) error {
	return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
		w.n++
		switch w.rng.IntN(9) {
		case 0, 1:
			_, err = tx.Exec(ctx, "update counters set n = n + 1 where writer = $1 and k = $2", w.id, w.rng.IntN(40))
		case 2: // another key
			_, err = tx.Exec(ctx, "update kept set n = -n where writer = $1 and n = $2", w.id, w.rng.IntN(w.n)+1)
		case 3: // its large value, if it has one, is not logged again
			_, err = tx.Exec(ctx, "update kept set note = $3 where writer = $1 and n % 7 = $2", w.id, w.rng.IntN(7), fmt.Sprint("note ", w.n))
		case 4:
			_, err = tx.Exec(ctx, "delete from kept where writer = $1 and n % 50 = $2", w.id, w.rng.IntN(50))
		case 5:
			_, err = tx.Exec(ctx, "insert into whole select $1, 'v' || g % 3, case g when 1 then (select string_agg(md5((x * $2::bigint)::text), '') from generate_series(1, 200) x) end from generate_series(1, 4) g", w.id, w.n)
		case 6:
			_, err = tx.Exec(ctx, "update whole set v = v || $2::int % 3 where writer = $1 and length(v) < 6", w.id, w.n)
			if err == nil && w.rng.IntN(3) == 0 {
				_, err = tx.Exec(ctx, "delete from whole where writer = $1 and length(v) > $2", w.id, 1+w.rng.IntN(4))
			}
		case 7:
			if _, err = tx.Exec(ctx, valsSQL, w.rng.IntN(100000)); err == nil && w.rng.IntN(4) == 0 {
				_, err = tx.Exec(ctx, "delete from vals where id % 10 = $1", w.rng.IntN(10))
			}
		default:
			_, err = tx.Exec(ctx, "insert into kept select $1, $2, (select string_agg(md5((x * $3::int)::text), '') from generate_series(1, $3) x), null", w.id, w.n, w.rng.IntN(300))
		}
		return err
	})
}

// change changes tables that others read and write.
func (w *joinWriter) change(ctx context.Context) error {
	w.n++
	all := [][]string{
		{"truncate counters", "insert into counters select w, k, 0, k from generate_series(0, 4) w, generate_series(0, 40) k"},
		{"alter table counters alter w type bigint", "update counters set w = w + 1 where k < 3"},
		{"alter table counters alter w type int", "update counters set n = n + 1 where k < 3"},
		{"alter table counters add column extra text", "update counters set extra = 'e' where k < 9", "alter table counters drop column extra"},
		{fmt.Sprintf("create table made_%d (id int primary key, v text)", w.n), fmt.Sprintf("insert into made_%d select g, g from generate_series(1, 30) g", w.n)},
		{fmt.Sprintf("alter table counters add column x%d int", w.n), fmt.Sprintf("update counters set x%d = k where k > 30", w.n)},
		{"do $$ declare r regclass; begin for r in select oid from pg_class where relname like 'made%' and relkind = 'r' limit 2 loop execute 'drop table ' || r; end loop; end $$"},
		{"do $$ declare c text; begin select attname into c from pg_attribute where attrelid = 'counters'::regclass and attname ~ '^x[0-9]' limit 1; if found then execute format('alter table counters drop column %I', c); end if; end $$"},
		{"do $$ declare r regclass; begin for r in select oid from pg_class where relname ~ '^made_[0-9]+$' and relkind = 'r' limit 1 loop execute format('alter table %s rename to made_again_' || r::oid, r); end loop; end $$"},
	}
	if w.rng.IntN(5) == 0 {
		_, err := w.conn.Exec(ctx, "vacuum full counters")
		return err
	}
	return pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		for _, sql := range all[w.rng.IntN(len(all))] {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
			time.Sleep(time.Duration(w.rng.IntN(4)) * time.Millisecond)
		}
		return nil
	})
}
