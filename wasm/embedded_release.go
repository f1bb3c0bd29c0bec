//go:build howdah_release

package wasm

import (
	"embed"
	"io/fs"
)

// The folder is filled by Embed before a release is built and is not in the
// repository.
//
//go:embed all:embedded
var embeddedFolder embed.FS

func embeddedFiles() fs.FS {
	sub, err := fs.Sub(embeddedFolder, "embedded")
	if err != nil {
		panic(err) // the name is a valid path
	}
	return sub
}
