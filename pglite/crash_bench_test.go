package pglite_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/driver"
)

// BenchmarkCrash has a backend trap with 64 MB of WAL since the last checkpoint,
// and waits until a new session has an answer: recovery from the files is in it.
func BenchmarkCrash(b *testing.B) {
	for _, where := range []string{"memory", "directory"} {
		b.Run(where, func(b *testing.B) {
			c := openCluster(b, func(o *pglite.Options) {
				if o.MaxBackends = 8; where == "directory" {
					o.Dir = filepath.Join(b.TempDir(), "data")
				}
			})
			cfg, err := driver.ConnConfig(c)
			if err != nil {
				b.Fatal(err)
			}
			answer := func(sql string) (*pgx.Conn, error) {
				conn, err := pgx.ConnectConfig(b.Context(), cfg)
				if err == nil {
					_, err = conn.Exec(b.Context(), sql)
				}
				return conn, err
			}
			conn, err := answer("create table t (id int primary key, v text)")
			if err != nil {
				b.Fatal(err)
			}
			var longest time.Duration
			for b.Loop() {
				b.StopTimer()
				exec(b, conn, "truncate t")
				exec(b, conn, "checkpoint")
				exec(b, conn, "insert into t select i, repeat('x', 1000) from generate_series(1, 60000) i")
				if err := pglite.TrapNext(c, conn.PgConn().PID()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				began := time.Now()
				if _, err := conn.Exec(b.Context(), "select 1"); err == nil {
					b.Fatal("no crash")
				}
				for conn, err = answer("select count(*) from t"); err != nil; conn, err = answer("select count(*) from t") {
					if b.Context().Err() != nil || time.Since(began) > time.Minute {
						b.Fatal(err)
					}
				}
				longest = max(longest, time.Since(began))
			}
			b.ReportMetric(longest.Seconds()*1e3, "max-ms")
			_ = conn.Close(context.Background())
		})
	}
}
