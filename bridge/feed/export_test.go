package feed

// Abort leaves the log as a process does that is killed: nothing is written or
// synced, and only the memory is gone.
func (l *Log) Abort() {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.w.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	l.wake()
}
