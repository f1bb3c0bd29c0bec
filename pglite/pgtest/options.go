package pgtest

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/howdahdb/howdah/pglite"
	"github.com/howdahdb/howdah/pglite/template"
)

// Option says how a test's database is made.
type Option func(*config)

// config is what the options of one New add up to.
type config struct {
	source  func() (*template.Source, error) // nil: none
	key     string                           // of fill
	fill    func(context.Context, *DB) error // nil: none
	options pglite.Options
	keepIn  string // "" keeps nothing
}

// keepVar is the environment's [KeepFailed].
const keepVar = "HOWDAH_KEEP_FAILED"

func configure(options []Option) *config {
	c := &config{keepIn: os.Getenv(keepVar)}
	for _, o := range options {
		o(c)
	}
	return c
}

// WithTemplate runs the migrations of a folder ([template.Dir]). Of this and the
// other templates the last one counts.
func WithTemplate(fsys fs.FS) Option {
	return withSource(func() (*template.Source, error) { return template.Dir(fsys) })
}

// WithTemplateFile runs a schema or a dump, or the migrations of a folder, at a
// path that begins at the folder of the test's package ([template.Open]).
func WithTemplateFile(path string) Option {
	return withSource(func() (*template.Source, error) { return template.Open(path) })
}

func withSource(read func() (*template.Source, error)) Option {
	source := sync.OnceValues(read)
	return func(c *config) { c.source, c.fill = source, nil }
}

// WithTemplateFunc has fill make the template: with a migration library, with
// migrations that are Go functions, with a program that db.DSN() is told. The
// template is kept for this very program, the test's binary: a change of its code
// makes another. The key tells several functions of a program apart, and has to
// change with whatever fill reads that is not part of the binary.
//
// The connections that fill has from db are closed for it; a database other than
// postgres, and a role, are there in the test, too.
func WithTemplateFunc(key string, fill func(ctx context.Context, db *DB) error) Option {
	return func(c *config) { c.source, c.key, c.fill = nil, key, fill }
}

// WithExtensions has npm's extension packages at hand, by the names that
// wasm.Extensions lists; CREATE EXTENSION is the migrations' or the test's to do.
// Those of Postgres' contrib are there without asking.
func WithExtensions(names ...string) Option {
	return func(c *config) { c.options.Extensions = append(c.options.Extensions, names...) }
}

// WithSettings starts Postgres with these parameters, as postgres -c does, and
// the template, too.
func WithSettings(settings ...pglite.Setting) Option {
	return func(c *config) { c.options.Settings = append(c.options.Settings, settings...) }
}

// KeepFailed keeps the database of a failed test as a data directory, named after
// the test, below dir, a path that begins at the folder of the test's package; ""
// keeps none.
func KeepFailed(dir string) Option {
	return func(c *config) { c.keepIn = dir }
}

// keepPath is where the database of a test is kept at first choice.
func keepPath(dir, test string) string {
	name := []rune(test)
	for k, r := range name {
		switch {
		case r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z':
		default:
			name[k] = '_'
		}
	}
	return filepath.Join(dir, string(name))
}
