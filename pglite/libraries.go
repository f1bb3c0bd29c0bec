package pglite

import "slices"

// LOAD, like the first call of a function in C, leaves a library in the backend, with
// its parameters and hooks. A backend keeps its libraries for as long as it lives;
// what a session has loaded goes along with it, and is loaded where it is missing.

// libraries reads the names of the files that the guest has loaded, in order.
// REQUIRES: entered.
func (b *backend) libraries() (names []string) {
	i := b.inst
	for file := i.Uint32(fileListAddr); file != 0; file = i.Uint32(file) {
		names = append(names, i.LongString(file+fileNameAt))
	}
	return names
}

// noteLibraries takes down what has been loaded since the session has the backend,
// and after a LOAD, which may have found its library there, all that is. REQUIRES:
// entered.
func (b *backend) noteLibraries(s *Session) {
	last := b.inst.Uint32(fileTailAddr)
	if last == b.lastFile && !s.loaded {
		return
	}
	known := 0
	all := b.libraries()
	if !s.loaded {
		known = b.files
	}
	for _, name := range all[known:] {
		if !slices.Contains(s.libs, name) {
			s.libs = append(s.libs, name)
		}
	}
	b.lastFile, b.files, s.loaded = last, len(all), false
}

// restoreLibraries loads what the session has loaded elsewhere. One that can't be
// loaded any more is left out: who needs it will say so. REQUIRES: entered, outside
// a transaction.
func (b *backend) restoreLibraries(s *Session) error {
	if len(s.libs) > 0 {
		have := b.libraries()
		for _, name := range s.libs {
			if slices.Contains(have, name) {
				continue
			}
			if _, err := b.queryAsHost("load " + quoteLiteral(name)); err != nil && !isSQL(err) {
				return err
			}
		}
	}
	b.lastFile, b.files = b.inst.Uint32(fileTailAddr), len(b.libraries())
	return nil
}
