package linear

// Resident is how many bytes of [from, to), as far as the guest has grown that,
// take memory of the machine now; where the system does not tell, all of them.
// It may be called beside a running guest, not beside Free.
func (m *Memory) Resident(from, to uint64) (n uint64) {
	const portion = 64 << 20 // what the system is asked about at once
	to = min(to, m.size.Load())
	for ; from < to; from += portion {
		n += resident(m.bytes(span{from, min(from+portion, to)}))
	}
	return n
}
