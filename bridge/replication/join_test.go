package replication_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestJoin: what a slot's snapshot sees and what its stream brings are all rows,
// each once, while others write.
func TestJoin(t *testing.T) {
	s := serve(t)
	conn := connect(t, s.url(), "")
	run(t, conn, "create table t (id bigserial primary key)")
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 6 {
		writer := connect(t, s.url(), "")
		writers.Go(func() {
			for ctx.Err() == nil {
				if _, err := writer.Exec(context.WithoutCancel(ctx), "insert into t default values").ReadAll(); err != nil {
					t.Errorf("insert: %v", err)
					return
				}
			}
		})
	}
	defer writers.Wait()
	defer cancel()
	for round := range need.Choose(4, 100) {
		time.Sleep(20 * time.Millisecond)
		kind := []string{"export", "use"}[round%2]
		repl := connect(t, s.url(), "database")
		ids := map[int64]int{}
		create := fmt.Sprintf("CREATE_REPLICATION_SLOT s%d LOGICAL howdah (SNAPSHOT '%s')", round, kind)
		var point, text string
		if kind == "use" {
			run(t, repl, "begin isolation level repeatable read read only")
			results, err := repl.Exec(t.Context(), create).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			point = string(results[0].Rows[0][1])
			text = scalar(t, repl, "select string_agg(id::text, ',') from t")
			run(t, repl, "commit")
		} else {
			results, err := repl.Exec(t.Context(), create).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			point = string(results[0].Rows[0][1])
			reader := connect(t, s.url(), "")
			text = scalar(t, reader, "begin isolation level repeatable read; set transaction snapshot '"+string(results[0].Rows[0][2])+"'; select string_agg(id::text, ',') from t")
			reader.Close(t.Context())
		}
		for id := range strings.SplitSeq(text, ",") {
			var n int64
			if _, err := fmt.Sscan(id, &n); err != nil {
				t.Fatal(err)
			}
			ids[n]++
		}
		seen := len(ids)
		var last int64
		var before int
		if _, err := fmt.Sscan(scalar(t, conn, "insert into t default values returning id"), &last); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(scalar(t, conn, fmt.Sprintf("select count(*) from t where id <= %d", last)), &before); err != nil {
			t.Fatal(err)
		}
		sub := subscribe(t, repl, fmt.Sprintf("START_REPLICATION SLOT s%d LOGICAL %s (format 'json')", round, point))
		after := 0
		for ids[last] == 0 || after < 50 { // those with lower numbers may be committed later
			var line struct {
				Kind string
				New  struct{ ID int64 }
			}
			if err := json.Unmarshal(sub.next(), &line); err != nil {
				t.Fatal(err)
			}
			if line.Kind == "insert" {
				ids[line.New.ID]++
			}
			if ids[last] > 0 {
				after++
			}
		}
		sub.stop()
		run(t, repl, fmt.Sprintf("DROP_REPLICATION_SLOT s%d", round))
		repl.Close(t.Context())
		complete := 0
		for id, n := range ids {
			if n != 1 {
				t.Errorf("round %d, snapshot to %s: row %d came %d times", round, kind, id, n)
			}
			if id <= last {
				complete++
			}
		}
		if complete < before {
			t.Errorf("round %d, snapshot to %s: %d rows up to %d, expected %d at least", round, kind, complete, last, before)
		}
		t.Logf("round %d: the snapshot saw %d rows, the stream brought %d", round, seen, len(ids)-seen)
	}
}
