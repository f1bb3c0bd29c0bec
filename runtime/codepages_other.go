//go:build !linux || !(amd64 || arm64)

package runtime

import (
	"errors"
	"io"
	"os"
)

// addedCode runs load. Which code that adds nobody knows here.
func addedCode(load func() error) (codePages, error) { return codePages{}, load() }

func (codePages) write(io.Writer) error { return errors.ErrUnsupported }

func (codePages) replace(*os.File) error { return errors.ErrUnsupported }
