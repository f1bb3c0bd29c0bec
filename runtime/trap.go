package runtime

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/howdahdb/howdah/runtime/wasmfile"
)

// frameIndex matches what wazero writes for a function without a name: "$" and
// the function's index.
var frameIndex = regexp.MustCompile(`\.\$(\d+)\(`)

// What wazero puts around the frames that a fault passed, once for each call
// from Go into wasm.
const (
	wasmRecovered = " (recovered by wazero)"
	wasmTrace     = "\nwasm stack trace:\n"
)

// nameFrames gives the frames of a wasm stack the names of exports: the stock
// build has no name section.
func (p *Program) nameFrames(stack string) string {
	names := map[uint32]string{}
	for n, e := range p.info.Exports {
		if e.Kind == wasmfile.KindFunc {
			names[e.Index] = n
		}
	}
	stack = strings.ReplaceAll(stack, wasmRecovered+wasmTrace, "\n")
	stack = frameIndex.ReplaceAllStringFunc(stack, func(s string) string {
		n, err := strconv.ParseUint(s[2:len(s)-1], 10, 32)
		if name := names[uint32(n)]; err == nil && name != "" {
			return "." + name + "("
		}
		return s
	})
	return strings.TrimRight(strings.ReplaceAll(stack, "\t", "  "), "\n")
}
