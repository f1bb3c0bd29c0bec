package pglite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/howdahdb/howdah/runtime"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// backendEnv is the environment of every backend. ICU_DATA: without it the
// collation "und" is missing and initdb fails.
var backendEnv = []string{
	"HOME=/home/postgres", "USER=postgres", "LOGNAME=postgres",
	"PGDATA=" + guestData, "PGUSER=postgres", "PGDATABASE=postgres",
	"LANG=en_US.UTF-8", "LC_COLLATE=en_US.UTF-8", "LC_CTYPE=en_US.UTF-8",
	"TZ=UTC", "PGTZ=UTC", "PGCLIENTENCODING=UTF8", "ICU_DATA=/pglite/icu", "PATH=/",
}

var initdbEnv = []string{
	"HOME=/home/postgres", "USER=postgres", "LOGNAME=postgres",
	"PGDATA=" + guestData, "ICU_DATA=/pglite/icu", "TZ=UTC", "LANG=C.UTF-8", "PATH=/",
}

// initdbArgs make the cluster that a native initdb makes with the same
// options. Authentication is the host's (package wire): the guest never reads
// pg_hba.conf for a decision.
var initdbArgs = []string{
	guestInitdb, "--allow-group-access", "--encoding", "UTF8", "--locale=C.UTF-8",
	"--locale-provider=libc", "--auth=trust",
}

// runInitdb makes a cluster in guestData: initdb.wasm runs as it does on any
// host, and every postgres that it starts is a fresh instance of the backend
// over the same files.
func (e *engine) runInitdb(ctx context.Context, p *runtime.Program, ns *vfs.Namespace, log *logWriter) error {
	var said bytes.Buffer // initdb tells the user on both
	say := func(b []byte) { said.Write(b) }
	h := &hooks{run: func(args []string, stdin []byte) (int, []byte) {
		if err := ctx.Err(); err != nil {
			say([]byte(err.Error()))
			return 1, nil
		}
		status, out, err := e.runBackend(ctx, ns, args, stdin, log)
		if err != nil {
			say([]byte(err.Error()))
			return 1, nil
		}
		return status, out
	}}
	i, err := p.Instantiate(ctx, runtime.Process{FS: ns, Env: initdbEnv, Stdout: say, Stderr: say, Data: h})
	if err != nil {
		return err
	}
	defer i.Close()
	h.inst = i
	if err := startGuest(i); err != nil {
		return err
	}
	status, err := i.Run(initdbArgs)
	if err != nil {
		return fmt.Errorf("pglite: initdb: %w", err)
	}
	if status != 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("pglite: initdb failed with status %d: %s", status, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// startGuest runs the constructors and tells libc the shell's functions.
func startGuest(i *runtime.Instance) error {
	if _, err := i.Call("__wasm_call_ctors"); err != nil {
		return err
	}
	for _, f := range [...]string{"system", "popen", "pclose"} {
		slot, _ := i.Program().Slot(f)
		if _, err := i.Call("pgl_set_"+f+"_fn", uint64(slot)); err != nil {
			return err
		}
	}
	return nil
}

// runBackend runs postgres once as a process of its own, with stdin as its
// input, to its exit.
func (e *engine) runBackend(ctx context.Context, ns *vfs.Namespace, args []string, stdin []byte, log *logWriter) (status int, stdout []byte, err error) {
	if len(args) == 0 || args[0] != guestPostgres {
		return 127, nil, fmt.Errorf("initdb wants to run %q", args)
	}
	const input = "/tmp/.stdin"
	if err := writeFile(ns, input, stdin); err != nil {
		return 0, nil, err
	}
	in, err := ns.Open(input, vfs.ReadOnly, fs.FileMode(0))
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, ns.Unlink(input)) }()
	var out bytes.Buffer
	h := &hooks{}
	i, err := e.backend.Instantiate(ctx, runtime.Process{
		FS: ns, Env: backendEnv, Stdin: in, Data: h,
		Stdout: func(b []byte) { out.Write(b) },
		Stderr: log.quiet,
	})
	if err != nil {
		return 0, nil, errors.Join(err, in.Close())
	}
	defer i.Close()
	h.inst = i
	if err := startGuest(i); err != nil {
		return 0, nil, err
	}
	status, err = i.Run(args)
	return status, out.Bytes(), err
}
