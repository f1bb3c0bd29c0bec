package need

import (
	"os/exec"
	"testing"
)

// Erlang returns the path of erl.
func Erlang(t testing.TB) string { t.Helper(); return beam(t, "erl", "erlang-base") }

// Elixir returns the path of elixir.
func Elixir(t testing.TB) string { t.Helper(); return beam(t, "elixir", "elixir") }

func beam(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "needs %s (Debian: %s)", name, pkg)
	}
	return path
}
