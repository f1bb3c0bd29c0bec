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

func mapImage([]byte, *os.File, int64) error { return errors.ErrUnsupported }

func dataPages(*os.File, uint64, uint64) func(int) bool { return func(int) bool { return true } }

func touchedPages([]byte) func(int) bool { return func(int) bool { return true } }
