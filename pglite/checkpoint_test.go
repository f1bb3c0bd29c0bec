package pglite_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/howdahdb/howdah/pglite"
)

// TestCheckpointOfDroppedFile: a backend that has written to a file makes a
// checkpoint after another has dropped the table, and has removed the file at a
// checkpoint of its own.
func TestCheckpointOfDroppedFile(t *testing.T) {
	c := openCluster(t, func(o *pglite.Options) { o.Dir, o.MaxBackends = t.TempDir()+"/data", 4 })
	writer, dropper := connect(t, c, nil), connect(t, c, nil)
	for k := range 3 {
		table := fmt.Sprint("t", k)
		exec(t, writer, "create table "+table+" as select g from generate_series(1, 1000) g")
		exec(t, dropper, "drop table "+table)
		exec(t, dropper, "checkpoint")
		exec(t, writer, "checkpoint")
	}
	if s := c.Stats(); s.Crashes != 0 {
		t.Errorf("%d crashes", s.Crashes)
	}
}

// TestCheckpointsInTurn: checkpoints that several sessions ask for at once are made
// one after the other, so that recovery never begins earlier than it would have
// before.
func TestCheckpointsInTurn(t *testing.T) {
	const clients, each = 3, 4
	c := openCluster(t, func(o *pglite.Options) { o.Dir, o.MaxBackends = t.TempDir()+"/data", clients+2 })
	control := connect(t, c, nil)
	ctx, stop := context.WithCancel(t.Context())
	var load, watch sync.WaitGroup
	for k := range clients {
		conn := connect(t, c, nil)
		exec(t, conn, fmt.Sprintf("create table t%d (v text)", k))
		load.Go(func() {
			for range each {
				for _, sql := range []string{fmt.Sprintf("insert into t%d select repeat('x', 100) from generate_series(1, 500)", k), "checkpoint"} {
					if _, err := conn.Exec(context.Background(), sql); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	looks := 0
	watch.Go(func() {
		for last := "0/0"; ctx.Err() == nil; looks++ {
			rows, err := control.PgConn().Exec(context.Background(), "select redo_lsn, redo_lsn < '"+last+"' from pg_control_checkpoint()").ReadAll()
			if err != nil {
				t.Error(err)
				return
			}
			row := rows[0].Rows[0]
			if string(row[1]) != "f" {
				t.Errorf("recovery would begin at %s, before at %s", row[0], last)
			}
			last = string(row[0])
			time.Sleep(time.Millisecond)
		}
	})
	load.Wait()
	stop()
	watch.Wait()
	t.Logf("looked %d times", looks)
	if got := value(t, control, "select (select count(*) from t0) + (select count(*) from t1) + (select count(*) from t2)"); got != fmt.Sprint(clients*each*500) {
		t.Errorf("%s rows are there", got)
	}
}
