package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/howdahdb/howdah/pglite"
)

// keep closes the cluster and writes it to a data directory.
func (db *DB) keep(ctx context.Context) error {
	i, err := db.cluster.Freeze(ctx)
	if err != nil {
		return fmt.Errorf("keep the database of a failed test: %w", err)
	}
	dir, err := newFolder(db.config.keepIn, db.t.Name())
	if err == nil {
		var c *pglite.Cluster
		if c, err = i.Open(ctx, pglite.Options{Dir: dir, Settings: db.config.options.Settings}); err == nil {
			err = c.Close(ctx)
		}
	}
	if err = errors.Join(err, i.Close()); err != nil {
		return fmt.Errorf("keep the database of a failed test: %w", err)
	}
	db.t.Logf("pgtest: the database is kept; it opens with\n\t%s", serveCommand(dir, &db.config.options))
	return nil
}

// newFolder makes a folder that was not there, named after a test.
func newFolder(dir, test string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	first := keepPath(dir, test)
	for name, n := first, 2; ; name, n = fmt.Sprintf("%s-%d", first, n), n+1 {
		if err := os.Mkdir(name, 0o700); !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}

// serveCommand is what a user types to open a directory.
func serveCommand(dir string, o *pglite.Options) string {
	words := []string{"howdah", "serve", "--data-dir", dir}
	if len(o.Extensions) > 0 {
		words = append(words, "--extensions", strings.Join(o.Extensions, ","))
	}
	for _, s := range o.Settings {
		words = append(words, "-c", s.Name+"="+s.Value)
	}
	for k, w := range words {
		if strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:") != "" {
			words[k] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
