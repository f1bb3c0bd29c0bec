package clients_test

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// nodeFiles are the programs, their migrations, and which packages they use.
//
//go:embed testdata/node
var nodeFiles embed.FS

func nodeTests() (tests []test) {
	for _, program := range []struct {
		name   string
		shared int
	}{{"pg", 0}, {"postgres", fewBackends}, {"knex", fewBackends}, {"kysely", fewBackends}} {
		tests = append(tests, test{program.name, func(t *testing.T, db database) { runNode(t, program.name+".mjs", db) }, program.shared})
	}
	return tests
}

// runNode runs a program of node:test. It gets the database's address and nothing
// else of the tester's environment that means a server.
func runNode(t *testing.T, program string, db database) {
	node, modules := need.Node(t), nodeModules(t)
	files, err := fs.Sub(nodeFiles, "testdata/node")
	if err != nil {
		t.Fatal(err)
	}
	// Packages are looked for upwards from a program's own folder.
	dir := t.TempDir()
	if err := errors.Join(os.CopyFS(dir, files), os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "--test-reporter=spec", program)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TZ=UTC", "DATABASE_URL=" + db.url()}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s", program, errors.Join(err, ctx.Err()), out.Bytes())
	}
}

// nodeModules returns a folder with the packages of testdata/node/package.json.
func nodeModules(t *testing.T) string {
	t.Helper()
	files, err := fs.Sub(nodeFiles, "testdata/node")
	if err != nil {
		t.Fatal(err)
	}
	return need.NodePackages(t, files)
}
