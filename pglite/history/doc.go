// Package history has no code: its tests check what many clients at once have
// seen.
package history
