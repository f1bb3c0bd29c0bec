package runtime

import (
	"errors"
	"io"
	"os"
)

// wazero reads machine code into anonymous memory, all of it, of which a program
// executes a part: of pglite.wasm's 36.6 MiB a server of simple queries uses 8.5.
// Pages of a file with the same bytes, mapped in its place, are only in memory
// once they are used, and the same ones in all processes. wazero has no way to be
// given such pages, so they are put beneath it, where the system can tell what is
// mapped where: which mapping is the code's is found by what loading it has added.
// When anything about it is not as expected, the code stays where it is.

// codePages is where a program's machine code is, whole pages; the zero value says
// that nobody knows.
type codePages struct{ addr, size uintptr }

// ErrOtherCode says that a file does not have a program's machine code.
var ErrOtherCode = errors.New("the file has other machine code")

// WriteCode writes the pages of the program's machine code, as MapCode wants them.
// The error is errors.ErrUnsupported where they are not known.
func (p *Program) WriteCode(w io.Writer) error {
	if p.pages.size == 0 {
		return errors.ErrUnsupported
	}
	return p.pages.write(w)
}

// MapCode puts the pages of f, which WriteCode has written, in the place of the
// program's machine code. They must stay as they are while the process lives;
// instances may run meanwhile. The error is ErrOtherCode when they are not the
// same, and errors.ErrUnsupported where the code's pages are not known. After an error
// everything is as it was.
func (p *Program) MapCode(f *os.File) error {
	if p.pages.size == 0 {
		return errors.ErrUnsupported
	}
	return p.pages.replace(f)
}
