package peers

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"github.com/howdahdb/howdah/pglite/pgtest/need"
)

// What the peer is, by its packages on npm.
const (
	pglitePackage = "@electric-sql/pglite@0.5.16"
	socketPackage = "@electric-sql/pglite-socket@0.2.17"
	bunPackage    = "@oven/bun-linux-x64@1.4.5"
)

var listening = regexp.MustCompile(`(?i)(listening)`)

// node is PGlite with its socket server on Node.
func node() *server {
	return pgliteSocket("node", func(t testing.TB) (string, error) {
		return need.Node(t), npmInstall(t, pglitePackage, socketPackage)
	})
}

// bun is the same on Bun.
func bun() *server {
	return pgliteSocket("bun", func(t testing.TB) (string, error) {
		if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
			need.Missing(t, "no Bun is named for %s/%s", runtime.GOOS, runtime.GOARCH)
		}
		err := npmInstall(t, pglitePackage, socketPackage, bunPackage)
		return filepath.Join(work, "node_modules", "@oven", "bun-linux-x64", "bin", "bun"), err
	})
}

// npmInstall installs packages where both servers find them, scripts left out.
// The socket's package names an older PGlite as its peer.
func npmInstall(t testing.TB, packages ...string) error {
	args := append([]string{"install", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", "--prefix", work}, packages...)
	if out, err := exec.CommandContext(t.Context(), need.Npm(t), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("npm install %v: %w\n%s", packages, err, out)
	}
	return nil
}

// pgliteSocket runs the peer by a JavaScript engine, in memory: it knows nothing
// of durability, with or without a folder for its data. It is killed, since it has
// nothing to lose and its orderly end waits for a queue that may be jammed.
func pgliteSocket(name string, install func(t testing.TB) (engine string, err error)) *server {
	s := &server{name: name, oneSession: true}
	var engine string
	s.start = func(t testing.TB) (err error) {
		if engine == "" {
			if engine, err = install(t); err != nil {
				return err
			}
		}
		port, err := freePort()
		if err != nil {
			return err
		}
		script := filepath.Join(work, "node_modules", "@electric-sql", "pglite-socket", "dist", "scripts", "server.js")
		cmd := exec.Command(engine, script, "--port", strconv.Itoa(port), "--max-connections", "100")
		cmd.Stderr = io.Discard
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		_, err = s.run(t, cmd, stdout, listening, os.Kill)
		s.url = fmt.Sprintf("postgres://postgres:postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
		return err
	}
	return s
}
