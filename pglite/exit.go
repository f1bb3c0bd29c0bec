package pglite

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/howdahdb/howdah/runtime/linear"
)

// How a backend ends.

// end ends the backend as its exit would: locks and temporary tables go. The
// last one of a server writes the shutdown checkpoint.
func (b *backend) end(last bool) error {
	if err := b.enter(); err != nil {
		if errors.Is(err, errExited) {
			return nil
		}
		return err
	}
	b.vacate()
	err := b.exit(last)
	b.leave(err)
	b.pumping.Wait()
	return err
}

// exit runs the guest's exit and frees it. REQUIRES: entered, between messages.
func (b *backend) exit(last bool) error {
	b.feed, b.sink = &bytesFeed{}, &replySink{}
	var err error
	if b.final = last; last {
		err = b.addShutdown()
	}
	if err == nil {
		_, err = b.inst.Call("pgl_run_atexit_funcs")
	}
	b.close()
	if isExit(err) {
		return nil
	}
	return err
}

// addShutdown makes the exit to come the server's: ShutdownXLOG and
// pgstat_before_server_shutdown go where InitPostgres has them in a single
// process, below what the session has to clean up. REQUIRES: entered.
func (b *backend) addShutdown() error {
	i := b.inst
	if i.Uint32(auxOwnerAddr) == 0 {
		name, err := i.PushString("shutdown")
		if err != nil {
			return err
		}
		owner, err := i.Call("ResourceOwnerCreate", 0, uint64(name))
		if err != nil {
			return err
		}
		i.PutUint32(auxOwnerAddr, uint32(owner))
	}
	n := i.Uint32(beforeExitsAddr)
	if n+uint32(len(shutdownCalls)) > maxExitCalls || b.exitAt > n {
		return fmt.Errorf("pglite: no room for the shutdown among %d exit calls", n)
	}
	list := i.Bytes(beforeExitsAddr+exitListAt, maxExitCalls*exitCallSize)
	at := b.exitAt * exitCallSize
	copy(list[at+uint32(len(shutdownCalls))*exitCallSize:], list[at:n*exitCallSize])
	for k, entry := range shutdownCalls {
		binary.LittleEndian.PutUint64(list[at+uint32(k)*exitCallSize:], uint64(entry))
	}
	i.PutUint32(beforeExitsAddr, n+uint32(len(shutdownCalls)))
	return nil
}

// abandon drops the backend as kill -9 would. Its server is dead, or not
// needed any more.
func (b *backend) abandon() {
	b.mu.Lock()
	b.close()
	b.mu.Unlock()
	b.pumping.Wait()
}

// close frees the instance. When it was alone with shared memory, that stays.
// REQUIRES: mu, and the baton unless the server is dead.
func (b *backend) close() {
	if b.ended {
		return
	}
	b.ended = true
	close(b.quit)
	b.live.Lock()
	b.live.ended = true
	b.live.Unlock()
	if b.holding && b.mapped && !b.final && linear.CanShare {
		if err := b.srv.share(b); err != nil {
			b.srv.crash(err)
		}
	}
	b.srv.dismiss(b)
	if b.inst != nil {
		b.inst.Close()
	}
	if b.host.stop != nil && !b.host.on {
		b.host.stop()
	}
}
