package pglite

import "github.com/howdahdb/howdah/runtime"

// checkpointFast is CHECKPOINT_IMMEDIATE (src/include/access/xlog.h), which whoever
// makes its own checkpoint adds.
const checkpointFast = 4

// requestCheckpoint is RequestCheckpoint(flags) of a process without a checkpointer
// (src/backend/postmaster/checkpointer.c): CreateCheckPoint and smgrdestroyall. Only
// one process of Postgres does that, so nothing in it minds a second one: the slower
// of two would write a control file with the older start of recovery, whose WAL the
// faster one may have removed. Here the second waits for the first.
func requestCheckpoint(i *runtime.Instance, s []uint64) {
	flags := s[0] | checkpointFast
	if b, ok := i.Data.(*backend); ok {
		b.beginCheckpoint()
		defer b.srv.endCheckpoint()
	}
	if err := i.CallTable(createCheckPoint, sigItoI, flags); err != nil {
		panic(err)
	}
	if err := i.CallTable(smgrDestroyAll, sigVoid); err != nil {
		panic(err)
	}
}

// beginCheckpoint waits until no other backend makes a checkpoint. Signals come
// through meanwhile.
func (b *backend) beginCheckpoint() {
	for begun := false; ; {
		select {
		case b.srv.checkpoint <- struct{}{}:
			return
		default:
		}
		b.away(func() {
			select {
			case b.srv.checkpoint <- struct{}{}:
				begun = true
			case <-b.wake:
			case <-b.srv.dead:
			}
		})
		if begun {
			return
		}
		if _, err := b.inst.Call("ProcessInterrupts"); err != nil {
			panic(err)
		}
	}
}

func (s *server) endCheckpoint() { <-s.checkpoint }
