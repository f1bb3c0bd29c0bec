//go:build !unix

package wasm

import (
	"io"
	"os"
)

// mapFile reads the file: an open mapping would keep others from replacing it.
func mapFile(f *os.File) (data []byte, unmap func(), err error) {
	data, err = io.ReadAll(f)
	return data, func() {}, err
}

func releasePages([]byte) {}
