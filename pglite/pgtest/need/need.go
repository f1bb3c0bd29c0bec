// Package need finds the real programs that tests compare Howdah with or drive
// it by: psql, pgbench, npm, Erlang and a native PostgreSQL 18.
//
// A test asks for what it needs and gets its path. When the machine lacks it,
// the test is skipped with the reason, and with HOWDAH_REQUIRE=all in the
// environment, as in CI, it fails instead, so that a green run there has left
// nothing out.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

const (
	// requireVar makes a missing program a failure when it is "all".
	requireVar = "HOWDAH_REQUIRE"
	// soakVar asks for randomised tests at their whole size when it is set.
	soakVar = "HOWDAH_SOAK"
)

// Soak leaves a test whose smallest useful size is large to the soak run.
func Soak(t testing.TB) {
	t.Helper()
	if os.Getenv(soakVar) == "" {
		t.Skipf("%s=1 runs it", soakVar)
	}
}

// Size is how many rounds a randomised test does: whole of them in a soak run,
// a tenth of them otherwise.
func Size(whole int) int { return Choose(max(1, whole/10), whole) }

// Choose gives the size of a randomised test whose small run is none that its
// whole one tells.
func Choose(small, whole int) int {
	if os.Getenv(soakVar) != "" {
		return whole
	}
	return small
}

// Psql returns the path of psql.
func Psql(t testing.TB) string { t.Helper(); return postgresClient(t, "psql") }

// Pgbench returns the path of pgbench.
func Pgbench(t testing.TB) string { t.Helper(); return postgresClient(t, "pgbench") }

// PgDump returns the path of pg_dump, of whatever version the machine has.
func PgDump(t testing.TB) string { t.Helper(); return postgresClient(t, "pg_dump") }

// Npm returns the path of npm.
func Npm(t testing.TB) string { t.Helper(); return program(t, "npm") }

// Node returns the path of node.
func Node(t testing.TB) string { t.Helper(); return program(t, "node") }

// Missing skips t, or fails it when HOWDAH_REQUIRE=all. It is for needs that
// this package does not know; format says what is missing and how to get it.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(requireVar) == "all" {
		t.Fatalf(requireVar+"=all: "+format, args...)
	}
	t.Skipf(format, args...)
}

func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "needs %s in PATH: %v", name, err)
	}
	return path
}

// postgresClient also looks where Debian keeps the programs of which its
// wrapper package puts only some into PATH.
func postgresClient(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, err := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name))
	if err != nil || len(found) == 0 {
		Missing(t, "needs %s (Debian: postgresql-client, postgresql-contrib)", name)
	}
	return slices.Max(found)
}

// Python returns the path of a python3 that can import a module: the one on PATH,
// or the system's, which has what the distribution's packages install.
func Python(t testing.TB, module string) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.LookPath(name)
		if err == nil && exec.Command(path, "-c", "import "+module).Run() == nil {
			return path
		}
	}
	Missing(t, "needs python3 with the module %s (Debian: python3-%[1]s)", module)
	return ""
}

// PgRecvlogical returns the path of pg_recvlogical.
func PgRecvlogical(t testing.TB) string { t.Helper(); return postgresClient(t, "pg_recvlogical") }
