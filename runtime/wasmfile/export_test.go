package wasmfile

// FuncLocals is Func with locals of its own.
func (b *Builder) FuncLocals(s Sig, locals []ValType, c Code) uint32 {
	f := b.Func(s, nil)
	body := appendU32(nil, uint32(len(locals)))
	for _, t := range locals {
		body = append(body, 1, t)
	}
	b.bodies[len(b.bodies)-1] = appendSized(nil, append(append(body, c...), opEnd))
	return f
}
