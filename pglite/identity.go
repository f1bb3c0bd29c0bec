package pglite

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/howdahdb/howdah/wasm"
)

// Identity names the cluster that Open makes with these options where there is
// none: the artifact, the extensions, what initdb is asked for, the format of
// images, and the settings. A change of any of them makes another; whoever keeps
// images puts it into their keys.
func (o *Options) Identity() (string, error) {
	files, err := wasm.Identity(o.Extensions)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%s\n", layoutHash, keptKey, files)
	for _, s := range o.Settings {
		fmt.Fprintf(sum, "%q=%q\n", s.Name, s.Value)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
