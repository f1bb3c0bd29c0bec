//go:build !linux

package linear

func discard(b []byte) error {
	clear(b)
	return nil
}
