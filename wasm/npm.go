package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// npmPack downloads the tarball of one package with the user's npm, and with
// it the user's registry, proxy, credentials and cache. It runs in an empty
// folder of its own, so no project's configuration takes part, and nothing of
// the package is executed. When ownCache is set npm keeps its cache in that
// folder too: the user has no home that could be written.
func npmPack(ctx context.Context, spec string, ownCache bool) (tarball []byte, err error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, fmt.Errorf("npm was not found: %w", err)
	}
	dir, err := os.MkdirTemp("", "howdah-npm-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	args := []string{"pack", spec, "--pack-destination", dir, "--dry-run=false", "--ignore-scripts", "--loglevel=error"}
	if ownCache {
		args = append(args, "--cache", filepath.Join(dir, "cache"))
	}
	cmd := exec.CommandContext(ctx, npm, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 2 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("npm pack %s: %w: %s", spec, err, npmSays(stderr.String()))
	}
	// The folder was empty. The file name that npm prints is not used: for a
	// scoped package npm before 9 printed @scope/name-1.0.0.tgz and wrote
	// scope-name-1.0.0.tgz (github.com/npm/cli issue 3405).
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("npm pack %s left %d tarballs instead of one", spec, len(found))
	}
	return os.ReadFile(found[0])
}

// npmSays is the beginning of npm's complaint, where the cause stands, on one
// line and without npm's prefix.
func npmSays(stderr string) string {
	const most = 5
	var said []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimPrefix(strings.TrimPrefix(line, "npm error"), "npm ERR!")
		if line = strings.TrimSpace(line); line != "" && len(said) < most {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}
