//go:build !howdah_release

package wasm

import "io/fs"

func embeddedFiles() fs.FS { return nil }
