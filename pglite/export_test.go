package pglite

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/howdahdb/howdah/runtime/vfs"
)

// OpenOn opens the cluster that a file system holds, as Open does a directory
// of the host, without a lock. What has no Close is left open by the cluster.
func OpenOn(ctx context.Context, o Options, fsys vfs.FS) (*Cluster, error) {
	d := &dataDir{path: "test", fs: fsys}
	var err error
	if d.empty, err = d.look(); err == nil && d.empty {
		err = d.clear()
	}
	if err != nil {
		return nil, err
	}
	return open(ctx, o, d, nil)
}

// Fresh is a data directory as initdb leaves it, in memory. It is made once;
// the engine stays for the life of the test binary.
func Fresh(ctx context.Context) (*vfs.Memory, error) {
	fresh.Lock()
	defer fresh.Unlock()
	if fresh.dir == nil {
		e, err := acquireEngine(ctx, &Options{}, func(*engine) {})
		if err != nil {
			return nil, err
		}
		m, err := e.freshCluster(ctx, &Options{})
		if err != nil {
			return nil, err
		}
		dir := vfs.NewMemory(vfs.MemoryOptions{})
		if err := (&dataDir{path: "test", fs: dir}).fill(m); err != nil {
			return nil, err
		}
		if err := m.Close(); err != nil {
			return nil, err
		}
		fresh.dir = dir
	}
	return fresh.dir.Clone(), nil
}

var fresh struct {
	sync.Mutex
	dir *vfs.Memory
}

// Kill ends a cluster as kill -9 does, when none of its sessions is served.
func Kill(c *Cluster) {
	for _, b := range c.pool.close(ErrClosed) {
		b.abandon()
	}
	if s := c.mu.server; s != nil {
		s.drop()
	}
	c.stopQuietly()
	c.idle()
	c.vacuuming.Wait()
	c.owned.Wait()
	c.free()
}

// AsHost runs SQL in database postgres with the bootstrap superuser's rights
// and settings as they are by default.
func (c *Cluster) AsHost(ctx context.Context, sql string) ([][]string, error) {
	return c.runAs(ctx, &Session{c: c}, sql)
}

// TrapNext makes the guest abort at the next message of the session that goes
// by pid.
func TrapNext(c *Cluster, pid uint32) error {
	s, _ := c.serverNow()
	b := s.byPID(pid)
	if b == nil {
		return errExited
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	b.fn.loopOnce, err = b.inst.Func("abort")
	return err
}

// Prepared counts the protocol-level statements that the next backend holds.
func Prepared(ctx context.Context, c *Cluster) int {
	b, err := c.pool.take(ctx, nil, login{})
	if err != nil {
		return -1
	}
	defer c.pool.release(b)
	return len(b.prepared)
}

// quietly runs messages of the host's own that can't fail.
func (b *backend) quietly(m []byte) (err error) {
	if err := b.enter(); err != nil {
		return err
	}
	defer func() { b.leave(err) }()
	out := &replySink{}
	if err := b.execute(&bytesFeed{m}, out); err != nil {
		return err
	}
	if err := b.flushTo(out); err != nil {
		return err
	}
	if out.err != nil {
		return out.err
	}
	return nil
}

// Hold keeps every backend from running until release is called.
func Hold(ctx context.Context, c *Cluster) (release func(), err error) {
	b, err := c.pool.take(ctx, nil, login{})
	if err != nil {
		return nil, err
	}
	if err := b.enter(); err != nil {
		return nil, err
	}
	return func() {
		b.leave(nil)
		c.pool.release(b)
	}, nil
}

// NeedRestart lists the parameters that need one.
func NeedRestart() []string { return needRestart }

// VacuumRound does what autovacuum does after a nap of a cluster that it has not
// seen before. It is for clusters without housekeeping.
func VacuumRound(ctx context.Context, c *Cluster) error {
	_, err := (&autovacuum{c: c, seen: map[string]string{}}).round(ctx)
	return err
}

// Stirrer tells by and by whether there would be a round.
func Stirrer(c *Cluster) (stirred func() bool) {
	return (&autovacuum{c: c, again: true}).stirred
}

// Identity is the system identifier in the control file of a cluster in memory, as
// Postgres prints it, and the nonce beside it.
func Identity(c *Cluster) (id, nonce string, err error) {
	who, err := identityOf(c.ns, guestData)
	if err != nil {
		return "", "", err
	}
	return fmt.Sprint(binary.LittleEndian.Uint64(who.id[:])), hex.EncodeToString(who.nonce[:]), nil
}

// StoredFile is where the user's cache has the process of a new cluster.
func StoredFile(ctx context.Context) (string, error) {
	e, err := acquireEngine(ctx, &Options{}, func(*engine) {})
	if err != nil {
		return "", err
	}
	f, err := e.artifact.Kept(storedName)
	if err != nil {
		return "", errors.Join(err, e.release())
	}
	return f.Name(), errors.Join(f.Close(), e.release())
}
