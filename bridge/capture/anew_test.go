package capture_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/bridge/capture"
	"github.com/howdahdb/howdah/bridge/feed"
	"github.com/howdahdb/howdah/bridge/value"
	"github.com/howdahdb/howdah/pglite"
)

// TestLeftBehind: when more WAL waits for the capture than may, commits go on and
// subscribers must refetch, and then it goes on by itself with whole transactions.
func TestLeftBehind(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "directory": t.TempDir() + "/data"} {
		t.Run(name, func(t *testing.T) {
			held := make(chan struct{})
			var ask *pgx.ConnConfig
			c := openCaptured(t, dir, func(o *pglite.Options, co *capture.Options) {
				o.Settings = []pglite.Setting{{Name: "max_wal_size", Value: "32MB"}, {Name: "min_wal_size", Value: "32MB"}}
				co.MaxBehind = 40 << 20
				co.Logger = zerolog.New(zerolog.NewTestWriter(t))
				co.Announce = func(ctx context.Context) error {
					conn, err := pgx.ConnectConfig(ctx, ask)
					if err != nil {
						return err
					}
					_, err = conn.Exec(ctx, "select pg_log_standby_snapshot()")
					return errors.Join(err, conn.Close(ctx))
				}
				co.Output = func(ctx context.Context, _ string, _ *value.Type, _ []byte) (string, error) {
					select { // a capture that does not get on
					case <-held:
					case <-ctx.Done():
					}
					return "t", ctx.Err()
				}
			})
			ask = c.config
			conn, open := c.connect(), c.connect()
			exec(t, conn, "create table r (a regclass)", "create table t (a int, v text)")
			if err := c.capture.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			sub, err := c.capture.Feed().Subscribe(t.Context(), feed.SubscribeOptions{Database: "postgres"})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			exec(t, open, "begin", "create table late (a int)", "insert into late values (1)")
			exec(t, conn, "insert into r values ('t')")
			for range 10 {
				exec(t, conn, "insert into t select 0, repeat('x', 1000) from generate_series(1, 12000)", "truncate t", "checkpoint")
			}
			close(held)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for err == nil {
				_, err = sub.Next(ctx)
			}
			if !errors.Is(err, feed.ErrRefetch) {
				t.Fatal(err)
			}
			exec(t, conn, "create table meanwhile (a int)", "insert into meanwhile values (1)")
			exec(t, open, "insert into late values (2)", "commit")
			var got string
			for !strings.Contains(got, `insert public.t new a="42"`) {
				if ctx.Err() != nil {
					t.Fatalf("the capture does not go on:\n%s", got)
				}
				exec(t, conn, "insert into t values (42, null)")
				got = describe(c.sets("postgres", 0))
			}
			if strings.Contains(got, "late new") {
				t.Errorf("a transaction that was under way:\n%s", got)
			}
			exec(t, conn, "insert into late values (3)", "insert into meanwhile values (4)")
			got = describe(c.sets("postgres", 0))
			for _, want := range []string{`insert public.late new a="3"`, `insert public.meanwhile new a="4"`} {
				if !strings.Contains(got, want) {
					t.Errorf("no %s in\n%s", want, got)
				}
			}
		})
	}
}
