package pglite

import "encoding/binary"

// sequences is what a session knows of the sequences it has used: currval,
// lastval, and values that CACHE has set aside. The guest keeps a hash table
// of SeqTableData (src/backend/commands/sequence.c) by the sequence's OID:
//
//	relid u32@0 filenumber u32@4 lxid u32@8 last_valid bool@12
//	last i64@16 cached i64@24 increment i64@32
//
// Entries stay in the guest; what they say is swapped from session to session.
// A table that the guest has thrown away (DISCARD SEQUENCES by anyone, another
// backend) leaves currval undefined, never another session's value.
type sequences struct {
	data map[uint32][seqDataSize]byte // by relid
	last uint32                       // relid of last_used_seq, 0 for none
}

const (
	seqDataSize  = 40
	seqFileAt    = 4
	seqLxidAt    = 8
	seqValidAt   = 12
	seqStatusLen = 64 // room for a HASH_SEQ_STATUS
)

// eachSequence calls f with every entry of the guest's table. REQUIRES: mu.
func (b *backend) eachSequence(f func(addr uint32, data []byte)) error {
	n, err := b.entries(sequencesAddr)
	if err != nil || n == 0 {
		return err
	}
	sp := b.inst.StackPointer()
	defer b.inst.SetStackPointer(sp)
	scan, err := b.inst.Call("_emscripten_stack_alloc", seqStatusLen)
	if err != nil {
		return err
	}
	if _, err := b.inst.Call("hash_seq_init", scan, uint64(b.inst.Uint32(sequencesAddr))); err != nil {
		return err
	}
	for {
		p, err := b.inst.Call("hash_seq_search", scan)
		if err != nil || p == 0 {
			return err
		}
		f(uint32(p), b.inst.Bytes(uint32(p), seqDataSize))
	}
}

// saveSequences takes down the session's view.
func (b *backend) saveSequences(s *sequences) error {
	clear(s.data)
	s.last = 0
	last := b.inst.Uint32(lastSequenceAddr)
	return b.eachSequence(func(addr uint32, data []byte) {
		if s.data == nil {
			s.data = map[uint32][seqDataSize]byte{}
		}
		relid := binary.LittleEndian.Uint32(data)
		s.data[relid] = [seqDataSize]byte(data)
		if addr == last {
			s.last = relid
		}
	})
}

// restoreSequences puts it back; entries that are others' become as new.
func (b *backend) restoreSequences(s *sequences) error {
	last := uint32(0)
	err := b.eachSequence(func(addr uint32, data []byte) {
		relid := binary.LittleEndian.Uint32(data)
		if mine, ok := s.data[relid]; ok {
			copy(data, mine[:])
			clear(data[seqLxidAt:seqValidAt]) // which transaction holds its lock: none
		} else {
			clear(data[seqFileAt:])
		}
		if relid == s.last {
			last = addr
		}
	})
	if err == nil && b.inst.Uint32(lastSequenceAddr) != last {
		b.inst.PutUint32(lastSequenceAddr, last)
	}
	return err
}
