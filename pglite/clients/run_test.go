package clients_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite/internal/need"
)

// TestRunNode runs an application's tests by `howdah run`, as README.md has it.
func TestRunNode(t *testing.T) {
	node, modules := need.Node(t), nodeModules(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	dir := t.TempDir()
	howdah := filepath.Join(dir, "howdah")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", howdah, "github.com/howdahdb/howdah/cmd/howdah").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := errors.Join(os.CopyFS(dir, os.DirFS("testdata/run")), os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	run := func(env ...string) (string, error) {
		cmd := exec.CommandContext(ctx, howdah, "run", "--template", "schema.sql", "--", node, "--test", "--test-reporter=tap")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for range 2 { // what the first has made the second finds in the cache
		if out, err := run(); err != nil || !strings.Contains(out, "# pass 2\n") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	var exit *exec.ExitError
	if out, err := run("SEATS=7"); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "# fail 1\n") {
		t.Errorf("a test that fails: %v\n%s", err, out)
	}
}
