//go:build !unix

package wasm

// syncDir does nothing: folders can't be synced here. A name that a power cut
// loses is fetched again.
func syncDir(string) error { return nil }
