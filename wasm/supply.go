package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
)

// supplier makes the files of a package that no cache has: from the binary,
// else with npm.
type supplier struct {
	embedded fs.FS // nil when the binary has none
	homeless bool  // there is no cache that could be written
	progress ProgressFunc
}

// supply returns the verified files of p, by name, on the heap.
func (s supplier) supply(ctx context.Context, p *npmPackage) (map[string][]byte, error) {
	if s.embedded != nil {
		files, err := readEmbedded(s.embedded, p)
		if !errors.Is(err, fs.ErrNotExist) {
			return files, err
		}
	}
	stage := "fetch " + p.String()
	s.progress.report(stage, 0, -1)
	tarball, err := npmPack(ctx, p.Name+"@"+p.Version, s.homeless)
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("%w: install npm, or run \"howdah fetch\" on a machine that has it and copy its cache folder, "+
			"or fill a folder with \"howdah fetch --dir\" and give it as pglite.Options.Artifact", err)
	}
	if err != nil {
		return nil, err
	}
	files, err := p.unpack(tarball)
	if err == nil {
		s.progress.report(stage, int64(len(tarball)), int64(len(tarball)))
	}
	return files, err
}
