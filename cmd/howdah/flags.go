package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/pglite"
)

// artifactFlags say which files of PGlite are used and where they are kept.
type artifactFlags struct {
	Extensions []string `env:"HOWDAH_EXTENSIONS" placeholder:"NAME" help:"Extensions beyond Postgres' own, such as pgvector."`
	CacheDir   string   `env:"HOWDAH_CACHE_DIR" placeholder:"DIR" help:"Keep PGlite and its machine code here, not in the user's cache."`
}

// databaseFlags are common to the commands that open a database.
type databaseFlags struct {
	artifactFlags
	MaxBackends  int              `env:"HOWDAH_MAX_BACKENDS" default:"64" placeholder:"N" help:"How many backends run at most, some 10 MB each. More clients than that share them by transaction."`
	QueueTimeout time.Duration    `env:"HOWDAH_QUEUE_TIMEOUT" default:"30s" help:"How long a session waits for a backend before error 53300."`
	Housekeeping bool             `env:"HOWDAH_HOUSEKEEPING" default:"true" negatable:"" help:"Make checkpoints as max_wal_size and checkpoint_timeout say, and vacuum as autovacuum and its settings do."`
	Settings     []pglite.Setting `name:"set" short:"c" sep:"none" placeholder:"NAME=VALUE" help:"Set a Postgres parameter; may be repeated."`
}

func (f *databaseFlags) options(log zerolog.Logger) pglite.Options {
	return pglite.Options{
		CacheDir:       f.CacheDir,
		Extensions:     f.Extensions,
		Settings:       f.Settings,
		MaxBackends:    f.MaxBackends,
		NoHousekeeping: !f.Housekeeping,
		QueueTimeout:   f.QueueTimeout,
		Logger:         log,
	}
}

// maxMaxBackends is far beyond what memory is there for.
const maxMaxBackends = 10000

// Validate is called by kong after parsing.
func (f *databaseFlags) Validate() error {
	if f.QueueTimeout <= 0 {
		return fmt.Errorf("--queue-timeout must be positive")
	}
	if f.MaxBackends <= 0 || f.MaxBackends > maxMaxBackends {
		return fmt.Errorf("--max-backends must be between 1 and %d", maxMaxBackends)
	}
	return nil
}

// decodeSetting reads name=value. Names are Postgres' own to judge.
func decodeSetting(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("setting", &text); err != nil {
		return err
	}
	name, value, ok := strings.Cut(text, "=")
	if !ok || strings.TrimSpace(name) == "" {
		return fmt.Errorf("%q is not name=value", text)
	}
	target.Set(reflect.ValueOf(pglite.Setting{Name: strings.TrimSpace(name), Value: value}))
	return nil
}
