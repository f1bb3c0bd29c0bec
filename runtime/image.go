package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// Image is an instance at rest: between two calls, with no guest frame on any
// stack. What it is beside the memory is little: where the C stack stands, which
// modules are linked, and the descriptors. Files are not part of it. It belongs
// to its Program and may be used from any goroutine.
type Image struct {
	program *Program
	memory  *linear.Image
	sp      uint32
	age     time.Duration // of the instance, which its clock counts from
	timer   time.Duration // until the interval timer is due, 0 for none
	links   []LinkStep
	open    []openFile
	fds     []int // index into open; −1 for a free descriptor
	maps    map[uint32]mapping
	mapOf   map[uint32]int // index into open of what is mapped there
	cwd     string
	umask   uint32
}

// openFile is an open file description by its name.
type openFile struct {
	description
	file bool // it has one
	size int64
	made bool // its pages are mapped: it is made if it is not there
}

// Image takes an image. The files that are open have to have a name still. The
// caller closes it.
func (i *Instance) Image() (*Image, error) {
	if i.invokes > 0 {
		return nil, errors.New("runtime: image of an instance that runs")
	}
	img := &Image{
		program: i.p, sp: i.StackPointer(), age: time.Since(i.start), links: i.LinkSteps(),
		maps: map[uint32]mapping{}, mapOf: map[uint32]int{}, cwd: i.cwd, umask: i.umask,
	}
	if i.timer != nil {
		img.timer = max(time.Until(i.timerAt), 1)
	}
	mapped := map[*description]bool{} // with its own pages
	for _, m := range i.maps {
		mapped[m.d] = mapped[m.d] || m.pages
	}
	index, pipes := map[*description]int{}, pipeCopies{}
	note := func(d *description) (int, error) {
		if k, ok := index[d]; ok {
			return k, nil
		}
		o := openFile{
			description: description{name: d.name, flags: d.flags, off: d.off, dev: d.dev, list: slices.Clone(d.list)},
			made:        mapped[d],
		}
		switch {
		case d.pipe != nil:
			o.pipe = pipes.copy(d.pipe)
		case d.file != nil && d.file != i.Stdin:
			info, err := d.file.Stat()
			if err != nil {
				return 0, fmt.Errorf("runtime: image: %s: %w", d.name, err)
			}
			o.file, o.size = true, info.Size
			if mapped[d] {
				break
			}
			now, err := i.FS.Stat(d.name)
			if err != nil || now.Ino != info.Ino {
				return 0, fmt.Errorf("runtime: image: %s is open and goes by that name no more", d.name)
			}
		}
		img.open = append(img.open, o)
		index[d] = len(img.open) - 1
		return index[d], nil
	}
	for _, d := range i.fds.d {
		k := -1
		if d != nil {
			var err error
			if k, err = note(d); err != nil {
				return nil, err
			}
		}
		img.fds = append(img.fds, k)
	}
	for p, m := range i.maps {
		k, err := note(m.d)
		if err != nil {
			return nil, err
		}
		m.d = nil
		img.maps[p], img.mapOf[p] = m, k
	}
	var err error
	img.memory, err = i.mem.Image()
	return img, err
}

// Held is how many bytes of memory the image keeps.
func (img *Image) Held() uint64 { return img.memory.Held() }

// Find gives the addresses of all places where the image's memory has p.
func (img *Image) Find(p []byte) (at []uint32, err error) {
	found, err := img.memory.Find(p)
	for _, a := range found {
		at = append(at, uint32(a))
	}
	return at, err
}

// Close gives the image's memory up; instances that were made from it go on.
func (img *Image) Close() error { return img.memory.Close() }

// Restore makes an instance as the image was. The files that it had open must be
// in proc.FS, the same by their inode numbers, as in a clone of their file
// system. One with pages ([vfs.Segmented]) that it had mapped is made if it is not
// there, and gets the contents that the image has of it. The hooks of proc take
// the place of those of the instance that was. Restore runs none of the guest's
// code.
func (img *Image) Restore(ctx context.Context, proc Process) (_ *Instance, err error) {
	i, err := img.program.Instantiate(ctx, proc)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			i.Close()
		}
	}()
	have, want := uint64(len(i.mem.Bytes())), img.memory.Size()
	if want > have {
		if _, ok := i.main.Memory().Grow(uint32((want - have) / linear.PageSize)); !ok {
			return nil, fmt.Errorf("runtime: restore: the memory can't grow to %d bytes", want)
		}
	}
	if err := i.Relink(img.links); err != nil {
		return nil, err
	}
	if err := i.mem.Restore(img.memory); err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	i.SetStackPointer(img.sp)
	i.start = time.Now().Add(-img.age)
	i.cwd, i.umask = img.cwd, img.umask
	if img.timer > 0 && i.Alarm != nil {
		i.startTimer(img.timer)
	}
	if err := i.reopen(img); err != nil {
		return nil, err
	}
	return i, nil
}

// reopen makes the descriptors and mappings of an image.
func (i *Instance) reopen(img *Image) error {
	i.fds.closeAll()
	i.fds.d = make([]*description, len(img.fds))
	all := make([]*description, len(img.open))
	defer func() { // what is neither a descriptor nor mapped
		for _, d := range all {
			if d != nil && d.refs == 0 && d.file != nil && d.file != i.Stdin {
				_ = d.file.Close()
			}
		}
	}()
	pipes := pipeCopies{}
	for k := range img.open {
		d, err := i.openAgain(&img.open[k], pipes)
		if err != nil {
			return fmt.Errorf("runtime: restore %s: %w", img.open[k].name, err)
		}
		all[k] = d
	}
	for fd, k := range img.fds {
		if k >= 0 {
			i.fds.d[fd] = all[k]
			all[k].refs++
		}
	}
	for p, m := range img.maps {
		m.d = all[img.mapOf[p]]
		if m.pages {
			if err := i.mapAgain(p, &m); err != nil {
				return fmt.Errorf("runtime: restore %s: %w", m.d.name, err)
			}
		}
		m.d.refs++
		i.maps[p] = m
	}
	return nil
}

// pipeCopies are copies of pipes, one for both ends.
type pipeCopies map[*pipe]*pipe

func (c pipeCopies) copy(p *pipe) *pipe {
	if c[p] == nil {
		c[p] = &pipe{slices.Clone(p.buf)}
	}
	return c[p]
}

func (i *Instance) openAgain(o *openFile, pipes pipeCopies) (_ *description, err error) {
	d := o.description
	d.list = slices.Clone(o.list)
	switch {
	case d.dev != nil:
	case d.pipe != nil:
		d.pipe = pipes.copy(d.pipe)
	case !o.file:
		if d.file = i.Stdin; d.file == nil {
			d.dev = devices["null"]
		}
	case o.made:
		if d.file, err = i.FS.Open(d.name, vfs.ReadWrite|vfs.Create, 0o600); err == nil {
			err = d.file.Truncate(o.size)
		}
	default:
		d.file, err = i.FS.Open(d.name, int(d.flags)&oACCMODE, 0)
	}
	return &d, err
}

// mapAgain puts the pages of a file where the guest has had them, with the
// contents that are there.
func (i *Instance) mapAgain(p uint32, m *mapping) error {
	f, ok := m.d.file.(vfs.Segmented)
	if !ok {
		return errors.New("it has no pages")
	}
	seg, err := f.Segment()
	if err != nil {
		return err
	}
	if _, err := seg.WriteAt(i.Bytes(p, m.length), 0); err != nil {
		return err
	}
	return i.mem.Map(p, seg)
}
