package wire

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// hangupInterval is how often connections with a running statement are looked
// at. A client that is gone costs at most this much of a backend's time.
const hangupInterval = 500 * time.Millisecond

// watcher looks at the sockets of connections that nobody reads from, because
// their statement is running, and notices those whose client has closed them. It
// is one goroutine; stop waits for it.
type watcher struct {
	quit chan struct{}
	done chan struct{}

	mu struct {
		sync.Mutex
		conns map[*entry]syscall.RawConn
	}
}

func startWatcher(interval time.Duration) *watcher {
	w := &watcher{quit: make(chan struct{}), done: make(chan struct{})}
	w.mu.conns = make(map[*entry]syscall.RawConn)
	go w.run(interval)
	return w
}

func (w *watcher) stop() {
	close(w.quit)
	<-w.done
}

// watch cancels e when its statement runs and nc's peer has closed it, until
// unwatch. A kind of connection without a file descriptor is not watched.
func (w *watcher) watch(nc net.Conn, e *entry) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.conns[e] = raw
}

func (w *watcher) unwatch(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mu.conns, e)
}

func (w *watcher) run(interval time.Duration) {
	defer close(w.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		for e, raw := range w.mu.conns {
			// Most are idle, and cost no system call.
			if e.stream.running() && peerClosed(raw) {
				e.cancel(errClientGone)
			}
		}
		w.mu.Unlock()
	}
}
