package need

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
)

const installTimeout = 5 * time.Minute

// installs are the results by lock file, errors too: without a network npm tries for
// a minute.
var installs sync.Map // string -> func() (string, error)

// NodePackages returns the folder node_modules with the packages of the
// package-lock.json in files, which stands beside its package.json.
func NodePackages(t testing.TB, files fs.FS) string {
	t.Helper()
	Npm(t)
	lockFile, err := fs.ReadFile(files, "package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	once, _ := installs.LoadOrStore(string(lockFile), sync.OnceValues(func() (string, error) { return install(files, lockFile) }))
	dir, err := once.(func() (string, error))()
	if err != nil {
		Missing(t, "needs npm packages: %v", err)
	}
	return dir
}

// install leaves the packages in the user's cache folder, complete or not at
// all, under the hash of the lock file. It uses the user's npm configuration;
// the lock file has hashes and no addresses.
func install(files fs.FS, lockFile []byte) (string, error) {
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
		data, err := fs.ReadFile(files, name)
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
