package pglite

import (
	"errors"
	"io/fs"

	"github.com/howdahdb/howdah/runtime"
)

// rest takes out of memory what an idle cluster does not use and finds again in the
// page cache: the pages of mapped files, of which a login leaves some 10 MB, and the
// machine code, once it is mapped from a file, too.
func (e *engine) rest() {
	e.artifact.Unload()
	e.mapped.Do(func() { _ = e.mapCode() }) // where it can't be, it stays in memory
}

// codeKey names the pages of the backend's machine code in the cache.
const codeKey = "code pages " + rewrittenHash

// mapCode has the backend's machine code mapped from a file of the cache, which it
// writes if need be. One that has other code, as of another processor, is removed.
func (e *engine) mapCode() error {
	f, err := e.artifact.Kept(codeKey)
	if errors.Is(err, fs.ErrNotExist) {
		if err = e.artifact.KeepFrom(codeKey, e.backend.WriteCode); err == nil {
			f, err = e.artifact.Kept(codeKey)
		}
	}
	if err != nil {
		return err
	}
	err = e.backend.MapCode(f)
	if errors.Is(err, runtime.ErrOtherCode) {
		err = errors.Join(err, e.artifact.Forget(codeKey))
	}
	return errors.Join(err, f.Close())
}
