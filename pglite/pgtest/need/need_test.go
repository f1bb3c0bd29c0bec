package need_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

func TestStartNative(t *testing.T) {
	ctx := t.Context()
	n := need.StartNative(t, "work_mem=5MB")
	for name, dsn := range map[string]string{
		"tcp":    n.URL("postgres"),
		"socket": "user=postgres host=" + n.SocketDir + " port=" + strconv.Itoa(n.Port),
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := pgx.Connect(ctx, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(ctx))
			for setting, want := range map[string]string{
				"server_version":             "18.4",
				"server_encoding":            "UTF8",
				"wal_level":                  "logical",
				"work_mem":                   "5MB",
				"TimeZone":                   "UTC",
				"default_text_search_config": "pg_catalog.english",
			} {
				var got string
				if err := conn.QueryRow(ctx, "select current_setting($1)", setting).Scan(&got); err != nil || got != want {
					t.Errorf("%s = %q, %v; want %q", setting, got, err, want)
				}
			}
		})
	}
}
