package pglite

import (
	"context"
	"errors"
)

// hostLogin is what the host's backend is booted for. Where all share one
// backend, the host takes it as it is.
var hostLogin = login{role: "postgres", db: "postgres"}

// asHost runs SQL with the bootstrap superuser's rights.
func (c *Cluster) asHost(ctx context.Context, sql string) ([][]string, error) {
	return c.runAs(ctx, c.host, sql)
}

// runAs is asHost with what belongs to a session that holds no backend.
func (c *Cluster) runAs(ctx context.Context, s *Session, sql string) ([][]string, error) {
	for {
		rows, err := c.tryAs(ctx, s, sql)
		// It ended by a time-out of its last session's, or another crashed.
		if !lostBackend(err) {
			return rows, err
		}
	}
}

func (c *Cluster) tryAs(ctx context.Context, s *Session, sql string) ([][]string, error) {
	b, err := c.pool.take(ctx, c.host, c.host.want)
	if err != nil {
		return nil, err
	}
	defer c.pool.release(b)
	if err := c.Err(); err != nil { // a backend from before the cluster stopped
		return nil, err
	}
	if err := b.adopt(s); err != nil {
		return nil, err
	}
	return b.asHost(sql)
}

// hostSettings keep what a client, its role or its database has set away from
// the host's own SQL: operators are looked up in search_path.
var hostSettings = []Setting{
	{"search_path", "pg_catalog"}, {"client_encoding", "UTF8"},
	{"statement_timeout", "0"}, {"lock_timeout", "0"}, {"transaction_timeout", "0"}, {"idle_session_timeout", "0"},
	{"default_transaction_read_only", "off"}, {"default_transaction_isolation", "read committed"},
}

// bootstrapSuperuser is the role that initdb made (BOOTSTRAP_SUPERUSERID).
const bootstrapSuperuser = 10

// asHost runs a query of the host's own between transactions, with the
// bootstrap superuser's rights whatever the session's role is.
func (b *backend) asHost(sql string) (rows [][]string, err error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer func() { b.leave(err) }()
	return b.queryAsHost(sql)
}

// queryAsHost is asHost for who has entered.
func (b *backend) queryAsHost(sql string) ([][]string, error) {
	if b.ended {
		return nil, errExited
	}
	sp := b.inst.StackPointer()
	defer func() {
		if !b.ended {
			b.inst.SetStackPointer(sp)
		}
	}()
	p, err := b.inst.Call("_emscripten_stack_alloc", 16)
	if err != nil {
		return nil, err
	}
	if _, err := b.inst.Call("GetUserIdAndSecContext", p, p+4); err != nil {
		return nil, err
	}
	user, sec := b.inst.Uint32(uint32(p)), b.inst.Uint32(uint32(p)+4)
	if _, err := b.inst.Call("SetUserIdAndSecContext", bootstrapSuperuser, 0); err != nil {
		return nil, err
	}
	rows, qerr := b.query(sql)
	if b.ended {
		return nil, qerr
	}
	_, err = b.inst.Call("SetUserIdAndSecContext", uint64(user), uint64(sec))
	return rows, errors.Join(qerr, err)
}
