// Command howdah serves PostgreSQL from one binary.
//
// It holds flags, wiring and the order of shutdown; what it wires is in the
// packages pglite, pglite/wire and wasm. Exit statuses: 0 after a shutdown that
// was asked for, 1 for a failure at run time, 2 for a command that could not
// begin, which then has touched nothing. `howdah run` exits as its child does.
package main

import (
	"os"
)

func main() { os.Exit(execute(os.Args[1:])) }
