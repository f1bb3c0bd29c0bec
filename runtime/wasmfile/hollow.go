package wasmfile

// hollowSection is the custom section by which a hollow module tells whose it
// is.
const hollowSection = "howdah.hollow"

// Hollow gives a module without its code: all that other modules and hosts see
// of it is the same, indices too, and every function traps. It names the module
// it comes from by sum, in a custom section, so that of two modules that differ
// in their code only the hollow ones differ, too. Custom sections are dropped
// but for "dylink.0".
func Hollow(b, sum []byte) ([]byte, error) {
	if _, err := Parse(b); err != nil {
		return nil, err
	}
	secs, err := splitSections(b)
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), header...)
	for _, s := range secs {
		switch s.id {
		case secCustom:
			if s.reader().name() != "dylink.0" {
				continue
			}
		case secCode:
			n := s.reader().count(1)
			body := Code{opUnreachable}.body(0)
			s.content = appendU32(nil, uint32(n))
			for range n {
				s.content = append(s.content, body...)
			}
		}
		out = appendSection(out, s.id, s.content)
	}
	return appendSection(out, secCustom, append(appendName(nil, hollowSection), sum...)), nil
}
