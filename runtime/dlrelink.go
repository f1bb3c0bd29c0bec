package runtime

import (
	"errors"
	"fmt"
	"slices"
)

// LinkStep is one change of an instance's function table by dlopen or dlsym.
// All of them, in order, are what an instance needs beside the memory to be
// copied: pointers to functions are indices of the table.
type LinkStep struct {
	Path      string // of the module's file
	Hash      [32]byte
	Handle    uint32 // the guest's struct dso
	MemBase   uint32
	TableBase uint32 // dlopen: __table_base; dlsym: the first new entry
	Entries   uint32 // how many the table grew by, padding included
	Symbols   bool   // dlsym: a block of exports got entries
	Block     int    // which
	Failed    bool   // the entries are there, and null
}

// LinkSteps is a copy of what was linked so far.
func (i *Instance) LinkSteps() []LinkStep { return slices.Clone(i.dl.steps) }

var errMoved = errors.New("its place differs from the first time")

// Relink repeats the steps of another instance of the same program in this one,
// which must be as it was instantiated but for the size of its memory: at least
// the other's at the time of the steps. No code of the modules runs but their
// start functions; what these and data segments write to memory is to be
// replaced afterwards by an image of the other's memory.
//
// Modules that this machine has not linked before are read from the instance's
// files; their contents must be the same.
func (i *Instance) Relink(steps []LinkStep) error {
	if len(i.dl.steps) > 0 {
		return errors.New("runtime: relink of an instance that has linked modules")
	}
	for _, s := range steps {
		if err := i.relink(s); err != nil {
			return fmt.Errorf("runtime: relink %s: %w", s.Path, err)
		}
	}
	return nil
}

func (i *Instance) relink(s LinkStep) error {
	if s.Failed {
		if _, err := i.growTable(int(s.Entries)); err != nil {
			return err
		}
		i.dl.steps = append(i.dl.steps, s)
		return nil
	}
	l := i.dl.byPath(s.Path)
	switch {
	case s.Symbols && l == nil:
		return errors.New("not linked")
	case s.Symbols:
		return i.addNeighbours(s.Handle, l, s.Block, &s)
	case l != nil:
		i.dl.handles[s.Handle] = l
		i.dl.steps = append(i.dl.steps, s)
		return nil
	}
	side, err := i.sideOf(s)
	if err != nil {
		return err
	}
	b, err := i.resolve(side)
	if err != nil {
		return err
	}
	if _, err := i.link(s.Path, s.Handle, side, b, s.MemBase); err != nil {
		return err
	}
	if i.dl.steps[len(i.dl.steps)-1] != s {
		return errMoved
	}
	return nil
}

// sideOf finds the module of a step.
func (i *Instance) sideOf(s LinkStep) (*sideModule, error) {
	if side := i.p.m.knownSide(s.Hash); side != nil {
		return side, side.read()
	}
	b, err := i.readFile(s.Path)
	if err != nil {
		return nil, err
	}
	side, err := i.p.m.side(b)
	if err != nil {
		return nil, err
	}
	if side.key != s.Hash {
		return nil, errors.New("the file has changed")
	}
	return side, nil
}
