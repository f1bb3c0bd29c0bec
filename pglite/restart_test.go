package pglite_test

import (
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// TestSettingsThatNeedARestart: what ALTER SYSTEM says of them holds from the
// next start of the cluster on, and further backends start all the same.
func TestSettingsThatNeedARestart(t *testing.T) {
	c := openCluster(t, manyBackends)
	a := connect(t, c, nil)
	const show = "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where context = 'postmaster'"
	before := value(t, a, show)
	for _, sql := range []string{
		"alter system set shared_buffers = '64MB'", "alter system set max_locks_per_transaction = 100",
		"alter system set shared_preload_libraries = 'auto_explain'", "alter system set cluster_name = 'later'",
		"alter system set work_mem = '5MB'",
	} {
		exec(t, a, sql)
	}
	b := connect(t, c, nil)
	exec(t, a, "begin") // both need their own
	if got := value(t, b, show); got != before {
		t.Errorf("a further backend has %s,\nthe first %s", got, before)
	}
	exec(t, a, "commit")
	exec(t, a, "select pg_reload_conf()")
	for k, got := range []string{value(t, a, "show work_mem"), value(t, b, "show work_mem"), value(t, connect(t, c, nil), "show work_mem")} {
		if got != "5MB" {
			t.Errorf("session %d has work_mem %s after the reload", k, got)
		}
	}
	if got := value(t, a, "select string_agg(name, ' ' order by name) from pg_settings where pending_restart"); !strings.Contains(got, "shared_buffers") {
		t.Errorf("a restart is pending for %q", got)
	}
}

// TestNeedRestart compares the list with the server's.
func TestNeedRestart(t *testing.T) {
	got := value(t, connect(t, openCluster(t, nil), nil), `select string_agg(name, ' ' order by name) from pg_settings
		where context = 'postmaster' and name not in ('data_directory', 'config_file', 'hba_file', 'ident_file')`)
	if want := strings.Join(pglite.NeedRestart(), " "); got != want {
		t.Errorf("the server has %s,\nthe list is %s", got, want)
	}
}
