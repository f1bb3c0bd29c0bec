package clients_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// TestRun runs tests of applications by `howdah run`, as README.md has it.
func TestRun(t *testing.T) {
	howdah := filepath.Join(t.TempDir(), "howdah")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", howdah, "github.com/howdahdb/howdah/cmd/howdah").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("node", func(t *testing.T) {
		node, modules := need.Node(t), nodeModules(t)
		a := newApplication(t, howdah, "testdata/run-node")
		if err := os.Symlink(modules, filepath.Join(a.dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
		a.check(t, "# pass 2\n", "# fail 1\n", node, "--test", "--test-reporter=tap")
	})
	t.Run("python", func(t *testing.T) {
		python := need.Python(t, "psycopg")
		newApplication(t, howdah, "testdata/run-python").check(t, "Ran 4 tests", "FAILED (failures=1)", python, "-m", "unittest")
	})
	t.Run("ecto", func(t *testing.T) { runEcto(t, newApplication(t, howdah, "")) })
}

// application is a folder with a schema and some files.
type application struct {
	ctx         context.Context
	dir, howdah string
}

func newApplication(t *testing.T, howdah, files string) application {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(cancel)
	dir := t.TempDir()
	for _, files := range []string{"testdata/run", files} {
		if files == "" {
			continue
		}
		if err := os.CopyFS(dir, os.DirFS(files)); err != nil {
			t.Fatal(err)
		}
	}
	return application{ctx, dir, howdah}
}

// test runs the application's tests with its schema as template.
func (a application) test(env []string, command ...string) (string, error) {
	cmd := exec.CommandContext(a.ctx, a.howdah, append([]string{"run", "--template", "schema.sql", "--"}, command...)...)
	cmd.Dir, cmd.Env = a.dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// check runs them twice, as what the first run has made the second finds in the
// cache, and then so that one fails.
func (a application) check(t *testing.T, passed, failed string, command ...string) {
	t.Helper()
	for range 2 {
		if out, err := a.test(nil, command...); err != nil || !strings.Contains(out, passed) {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	var exit *exec.ExitError
	if out, err := a.test([]string{"SEATS=7"}, command...); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, failed) {
		t.Errorf("a test that fails: %v\n%s", err, out)
	}
}

// runEcto has the application's part played by this program, message by message as
// in the other conversations of Ecto.
func runEcto(t *testing.T, a application) {
	if err := os.WriteFile(filepath.Join(a.dir, "schema.sql"), []byte(createUsers+";\n"+createIndex+";\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := a.test([]string{repoVar + "=1"}, self, "-test.run=^TestEctoApplication$", "-test.v")
		if err != nil || !strings.Contains(out, "--- PASS: TestEctoApplication") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// repoVar makes the test binary an application with a repository at DATABASE_URL.
const repoVar = "HOWDAH_TEST_REPO"

func TestEctoApplication(t *testing.T) {
	if os.Getenv(repoVar) == "" {
		t.Skip("a process of its own, for TestRun")
	}
	at, err := url.Parse(os.Getenv("DATABASE_URL"))
	if err != nil {
		t.Fatal(err)
	}
	db := database{&server{name: "howdah run", addr: at.Host}, strings.TrimPrefix(at.Path, "/")}
	talkTemplated(&conversation{t: t, db: db, oids: map[uint32]int{}, pids: map[uint32]string{}})
}
