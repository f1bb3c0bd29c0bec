package wasmfile

// LocalGroup is some locals of one type.
type LocalGroup struct {
	Count uint32
	Type  ValType
}

// FuncLocals is Func with locals.
func (b *Builder) FuncLocals(s Sig, locals []LocalGroup, c Code) uint32 {
	f := b.Func(s, nil)
	body := appendU32(nil, uint32(len(locals)))
	for _, l := range locals {
		body = append(appendU32(body, l.Count), l.Type)
	}
	b.bodies[len(b.bodies)-1] = appendSized(nil, append(append(body, c...), opEnd))
	return f
}

// Plain is an instruction that the tables describe in full.
type Plain struct {
	Opcode      []byte // with its prefix
	LEBs, Bytes int    // behind the opcode
	Pops        int
	Pushes      ValType // 0 for nothing
}

// Plains gives all of them.
func Plains() (all []Plain) {
	tables := append([]*[256]shape{coreShapes}, prefixShapes[:]...)
	for i, table := range tables {
		for op, s := range table {
			if s.kind != shapePlain {
				continue
			}
			opcode := []byte{byte(op)}
			if i > 0 {
				opcode = appendU32([]byte{byte(opPrefixBulk + i - 1)}, uint32(op))
			}
			all = append(all, Plain{opcode, int(s.lebs), int(s.bytes), int(s.pops), s.pushes})
		}
	}
	return all
}

// WithData gives a module a passive segment of data.
func WithData(b []byte) []byte {
	secs, err := splitSections(b)
	if err != nil {
		panic(err)
	}
	e := editor{secs: secs}
	e.set(secDataCount, []byte{1})
	e.set(secData, []byte{1, 1, 0})
	out := []byte(header)
	for _, s := range e.secs {
		out = appendSection(out, s.id, s.content)
	}
	return out
}
