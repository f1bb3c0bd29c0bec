package wasm

import (
	"os"
	"testing"
)

func BenchmarkLoad(b *testing.B) {
	warm := loadReal(b, Options{Extensions: Extensions()})
	b.Log(len(warm.Files()), warm.CompileCache(), warm.Notices())
	b.ReportAllocs()
	for b.Loop() {
		a, err := Load(b.Context(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		a.Close()
	}
}

// loadReal loads with the user's own cache, fetching what it lacks.
func loadReal(t testing.TB, o Options) *Artifact {
	t.Helper()
	a, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

var _ = os.Getenv
