package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Identity names the files that [Load] gives for these extensions, in any order:
// a hex SHA-256 over what the manifest pins. It reads none of them.
func Identity(extensions []string) (string, error) {
	packages, err := pinned().choose(extensions)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, p := range pinned().Packages { // in the manifest's order
		for _, chosen := range packages {
			if chosen != p {
				continue
			}
			fmt.Fprintf(sum, "%s %s\n", p.Name, p.Version)
			for _, f := range p.Files {
				fmt.Fprintf(sum, "%s %d %s\n", f.Path, f.Size, f.SHA256)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
