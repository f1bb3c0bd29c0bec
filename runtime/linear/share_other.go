//go:build !linux && !darwin

package linear

import (
	"errors"
	"os"
)

// CanShare tells whether this system can map pages over a part of a
// reservation, and so has Segments.
const CanShare = false

func openSegment(uint64) (*os.File, error) { return nil, errors.ErrUnsupported }

func mapSegment([]byte, *os.File) error { return errors.ErrUnsupported }

func mapPrivate([]byte) error { return errors.ErrUnsupported }

func writeTouched(*os.File, []byte) error { return errors.ErrUnsupported }
