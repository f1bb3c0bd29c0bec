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
// A backend that has none for a sequence of the session's gets one.
type sequences struct {
	data map[uint32][seqDataSize]byte // by relid
	last uint32                       // relid of last_used_seq, 0 for none
}

const (
	seqDataSize = 40
	seqFileAt   = 4
	seqLxidAt   = 8
	seqValidAt  = 12
)

// HASHCTL and flags of src/include/utils/hsearch.h.
const (
	hashEnter    = 1 // HASHACTION
	hashElem     = 0x08
	hashBlobs    = 0x20
	hashCtlSize  = 48
	hashKeyAt    = 16 // keysize u32, entrysize u32
	seqTableSize = 16 // entries that create_seq_hashtable begins with
)

// eachSequence calls f with every entry of the guest's table. REQUIRES: mu.
func (b *backend) eachSequence(f func(addr uint32, data []byte)) error {
	return b.eachEntry(sequencesAddr, func(p uint32) { f(p, b.inst.Bytes(p, seqDataSize)) })
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
		if data[seqValidAt] == 0 {
			return // nothing is known of it, or it is another session's
		}
		relid := binary.LittleEndian.Uint32(data)
		s.data[relid] = [seqDataSize]byte(data)
		if addr == last {
			s.last = relid
		}
	})
}

// restoreSequences puts it back; entries that are others' become as new.
// REQUIRES: entered, outside a transaction.
func (b *backend) restoreSequences(s *sequences) error {
	addrs := map[uint32]uint32{} // by relid
	if err := b.eachSequence(func(addr uint32, data []byte) {
		addrs[binary.LittleEndian.Uint32(data)] = addr
		clear(data[seqFileAt:])
	}); err != nil {
		return err
	}
	for relid, mine := range s.data {
		addr, ok := addrs[relid]
		if !ok {
			var err error
			if addr, err = b.enterSequence(relid); err != nil {
				return err
			}
			addrs[relid] = addr
		}
		data := b.inst.Bytes(addr, seqDataSize)
		copy(data, mine[:])
		clear(data[seqLxidAt:seqValidAt]) // which transaction holds its lock: none
	}
	if last := addrs[s.last]; b.inst.Uint32(lastSequenceAddr) != last {
		b.inst.PutUint32(lastSequenceAddr, last)
	}
	return nil
}

// enterSequence makes an entry, and the table first, as init_sequence does.
func (b *backend) enterSequence(relid uint32) (addr uint32, err error) {
	err = b.protect(func() error {
		i := b.inst
		p, err := i.Call("_emscripten_stack_alloc", hashCtlSize)
		if err != nil {
			return err
		}
		at := uint32(p)
		if i.Uint32(sequencesAddr) == 0 {
			clear(i.Bytes(at, hashCtlSize))
			i.PutUint32(at+hashKeyAt, 4)
			i.PutUint32(at+hashKeyAt+4, seqDataSize)
			name, err := i.PushString("Sequence values")
			if err != nil {
				return err
			}
			table, err := i.Call("hash_create", uint64(name), seqTableSize, p, hashElem|hashBlobs)
			if err != nil {
				return err
			}
			i.PutUint32(sequencesAddr, uint32(table))
		}
		i.PutUint32(at, relid)
		entry, err := i.Call("hash_search", uint64(i.Uint32(sequencesAddr)), p, hashEnter, 0)
		addr = uint32(entry)
		return err
	})
	return addr, err
}
