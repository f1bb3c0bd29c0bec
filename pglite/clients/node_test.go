package clients_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

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
	need.Npm(t)
	dir, err := installOnce()
	if err != nil {
		need.Missing(t, "needs npm packages: %v", err)
	}
	return dir
}

const installTimeout = 5 * time.Minute

// installOnce keeps the error too: without a network npm tries for a minute.
var installOnce = sync.OnceValues(install)

// install leaves the packages in the user's cache folder, complete or not at
// all, under the hash of the lock file. It uses the user's npm configuration;
// the lock file has hashes and no addresses.
func install() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "howdah-test")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", err
	}
	lockFile, err := nodeFiles.ReadFile("testdata/node/package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lockFile)
	target := filepath.Join(home, "node-clients-"+hex.EncodeToString(sum[:8]))
	modules := filepath.Join(target, "node_modules")

	lock := flock.New(target + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another install: %w", err)
	}
	defer lock.Close()
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	work, err := os.MkdirTemp(home, "install-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := nodeFiles.ReadFile("testdata/node/" + name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(work, name), data, 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return modules, os.Rename(work, target)
}
