package pglite_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestCustomParameters: a parameter that one client has made by naming it does
// not exist for another with the same backend, and keeps existing for the one.
func TestCustomParameters(t *testing.T) {
	c := openCluster(t, nil)
	a := connect(t, c, nil)
	b := connect(t, c, func(cfg *pgx.ConnConfig) { cfg.RuntimeParams["options"] = "-c App.Given=zero" })
	d := connect(t, c, nil)
	shows := func(conn *pgx.Conn, name, want string) {
		t.Helper()
		// Others are in between.
		for range 2 {
			for _, other := range []*pgx.Conn{a, b, d} {
				if got := value(t, other, "select coalesce(current_setting('app.none', true), 'NULL')"); got != "NULL" {
					t.Errorf("app.none is %q", got)
				}
			}
			if got := value(t, conn, "select coalesce(current_setting('"+name+"', true), 'NULL')"); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
	shows(a, "app.tenant", "NULL")
	exec(t, a, "set app.tenant = 'x'")
	shows(a, "app.tenant", "x")
	shows(b, "app.tenant", "NULL")
	shows(b, "app.given", "zero")
	shows(a, "app.given", "NULL")
	exec(t, b, `set "app".tenant = 'y'`)
	exec(t, a, "reset app.tenant")
	shows(a, "app.tenant", "")
	shows(b, "app.tenant", "y")
	shows(d, "app.tenant", "NULL")
	exec(t, d, "begin; set local app.tenant = 'z'; set app.other = 'o'; rollback")
	shows(d, "app.tenant", "")
	shows(d, "app.other", "")
	shows(a, "app.other", "NULL")
	exec(t, b, "reset all")
	shows(b, "app.tenant", "")
	shows(b, "app.given", "zero")
	exec(t, a, "discard all")
	shows(a, "app.tenant", "")
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = connect(t, c, nil)
	shows(b, "app.tenant", "NULL")
	shows(b, "app.given", "NULL")
}
