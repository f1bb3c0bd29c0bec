package pglite

import (
	"io/fs"
	"time"

	"github.com/rs/zerolog"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/wasm"
)

// Options configures a cluster. The zero value is a cluster in memory.
type Options struct {
	// Dir is the data directory; "" keeps the cluster in memory. It is made,
	// with mode 0700, when it does not exist.
	Dir string
	// Artifact is where the files of PGlite are taken from, as written by
	// `howdah fetch --dir`; nil looks in the binary, in the user's cache and
	// at npm, in this order.
	Artifact fs.FS
	// CacheDir replaces the user's cache folder.
	CacheDir string
	// Extensions are npm packages to have at hand beside the contrib
	// extensions, by the names that wasm.Extensions lists.
	Extensions []string
	// Settings are Postgres parameters, as postgres -c sets them.
	Settings []Setting
	// Password, if not empty, becomes the password of role postgres.
	Password string
	// MaxBackends is how many backends serve sessions at once; 0 is 64. More
	// sessions than that share them by transaction. It takes effect where
	// memory can be mapped twice (linux, darwin); elsewhere there is one.
	MaxBackends int
	// Slice is how long a backend runs while others wait for their turn; 0 is
	// 1 ms.
	Slice time.Duration
	// NoHousekeeping leaves checkpoints and VACUUM to whoever asks for them, the
	// VACUUM against wraparound too, which the setting autovacuum = off does not.
	// The WAL of transactions that do not wait for it (synchronous_commit = off) is
	// then written when another one waits for its own.
	NoHousekeeping bool
	// QueueTimeout is how long a session waits for a backend before it fails
	// with SQLSTATE 53300; 0 is 30 s.
	QueueTimeout time.Duration
	// Watcher follows the files, and so the WAL; may be nil.
	Watcher Watcher
	// Logger gets Postgres' log and the cluster's own; the zero value is
	// silent.
	Logger zerolog.Logger
	// Trace is told of each step of the start when it has ended; may be nil. It
	// may be called on several goroutines, and must not wait.
	Trace func(step string, began time.Time)
	// Progress is told of a download and of the first compilation; may be nil.
	Progress wasm.ProgressFunc

	booted bool // nothing that was stored is used: what is to be stored comes of it
}

// Setting is one parameter and its value.
type Setting struct{ Name, Value string }

// step notes that a step of the start begins; what it returns, that it has ended.
func (o *Options) step(name string) (ended func()) {
	if o.Trace == nil {
		return func() {}
	}
	began := time.Now()
	return func() { o.Trace(name, began) }
}

// likeStored tells whether a new cluster of these options can go on from the stored
// process.
func (o *Options) likeStored() bool {
	return linear.CanShare && !o.booted && o.Dir == "" && len(o.Settings) == 0 && len(o.Extensions) == 0 && o.maxBackends() == defaultMaxBackends
}

const (
	defaultQueueTimeout = 30 * time.Second
	defaultMaxBackends  = 64
)

func (o *Options) maxBackends() int {
	if o.MaxBackends > 0 {
		return o.MaxBackends
	}
	return defaultMaxBackends
}

func (o *Options) queueTimeout() time.Duration {
	if o.QueueTimeout > 0 {
		return o.QueueTimeout
	}
	return defaultQueueTimeout
}
