package template

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/howdahdb/howdah/pglite"
)

// TestMain keeps a cluster open, so that the machine code is loaded once.
func TestMain(m *testing.M) { os.Exit(withEngine(m)) }

func withEngine(m *testing.M) int {
	c, err := pglite.Open(context.Background(), pglite.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if err := c.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}
