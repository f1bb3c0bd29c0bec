package runtime

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/howdahdb/howdah/runtime/linear"
	"github.com/howdahdb/howdah/runtime/vfs"
)

// storedImage is an Image in JSON, but for the contents of its memory. Whoever
// changes what it means changes StoredVersion.
type storedImage struct {
	Size   uint64
	Runs   []linear.Run
	SP     uint32
	Age    time.Duration
	Timer  time.Duration
	Links  []LinkStep
	Open   []storedFile
	FDs    []int
	Maps   []storedMap
	Cwd    string
	Umask  uint32
	Tables uint32 // the first table function, see Program.table
}

type storedFile struct {
	Name   string
	Flags  uint32
	Off    int64
	Device string      `json:",omitempty"`
	Pipe   *int        `json:",omitempty"` // the first file that is the same pipe
	Buf    []byte      `json:",omitempty"` // of a pipe
	List   []vfs.Entry `json:",omitempty"`
	File   bool
	Size   int64
	Made   bool
}

type storedMap struct {
	Addr, Length uint32
	Off          int64
	Write, Pages bool
	Of           int // index into Open
}

// StoredVersion names what [Image.Store] writes.
const StoredVersion = "1"

// Store appends the contents of the image's memory to b, a multiple of 64 KiB, as
// [Program.OpenImage] wants them in a file, and gives the rest of the image.
func (img *Image) Store(b []byte) (all, state []byte, err error) {
	s := storedImage{
		Size: img.memory.Size(), SP: img.sp, Age: img.age, Timer: img.timer, Links: img.links, FDs: img.fds,
		Cwd: img.cwd, Umask: img.umask, Tables: img.program.table,
	}
	if all, s.Runs, err = img.memory.Store(b); err != nil {
		return nil, nil, fmt.Errorf("runtime: %w", err)
	}
	pipes := map[*pipe]int{}
	for k, o := range img.open {
		f := storedFile{Name: o.name, Flags: o.flags, Off: o.off, List: o.list, File: o.file, Size: o.size, Made: o.made}
		if o.dev != nil {
			for name, dev := range devices {
				if dev == o.dev {
					f.Device = name
				}
			}
		}
		if o.pipe != nil {
			first, known := pipes[o.pipe]
			if !known {
				first, f.Buf = k, o.pipe.buf
				pipes[o.pipe] = k
			}
			f.Pipe = &first
		}
		s.Open = append(s.Open, f)
	}
	for p, m := range img.maps {
		s.Maps = append(s.Maps, storedMap{Addr: p, Length: m.length, Off: m.off, Write: m.write, Pages: m.pages, Of: img.mapOf[p]})
	}
	state, err = json.Marshal(s)
	return all, state, err
}

// OpenImage gives the image that Store has put into f and state. It is of this
// program, the same by its Rewritten. f must stay open, and what it is, as long as
// the image or an instance of it is used. That state is whole is for the caller to
// know; what does not fit together is refused.
func (p *Program) OpenImage(f *os.File, state []byte) (*Image, error) {
	var s storedImage
	if err := json.Unmarshal(state, &s); err != nil {
		return nil, fmt.Errorf("runtime: stored image: %w", err)
	}
	if s.Tables != p.table {
		return nil, fmt.Errorf("runtime: stored image: its table functions are at %d, not %d", s.Tables, p.table)
	}
	img := &Image{
		program: p, sp: s.SP, age: s.Age, timer: s.Timer, links: s.Links, fds: s.FDs,
		maps: map[uint32]mapping{}, mapOf: map[uint32]int{}, cwd: s.Cwd, umask: s.Umask,
	}
	wrong := func(what string, n int) error { return fmt.Errorf("runtime: stored image: no %s can be %d", what, n) }
	for k, o := range s.Open {
		d := description{name: o.Name, flags: o.Flags, off: o.Off, list: o.List}
		if o.Device != "" {
			if d.dev = devices[o.Device]; d.dev == nil {
				return nil, fmt.Errorf("runtime: stored image: device %q", o.Device)
			}
		}
		switch {
		case o.Pipe == nil:
		case *o.Pipe == k:
			d.pipe = &pipe{buf: o.Buf}
		case *o.Pipe < 0 || *o.Pipe > k || img.open[*o.Pipe].pipe == nil:
			return nil, wrong("pipe", *o.Pipe)
		default:
			d.pipe = img.open[*o.Pipe].pipe
		}
		img.open = append(img.open, openFile{description: d, file: o.File, size: o.Size, made: o.Made})
	}
	for _, k := range s.FDs {
		if k < -1 || k >= len(img.open) {
			return nil, wrong("descriptor", k)
		}
	}
	for _, m := range s.Maps {
		if m.Of < 0 || m.Of >= len(img.open) {
			return nil, wrong("mapped file", m.Of)
		}
		img.maps[m.Addr] = mapping{off: m.Off, length: m.Length, write: m.Write, pages: m.Pages}
		img.mapOf[m.Addr] = m.Of
	}
	var err error
	if img.memory, err = linear.OpenImage(f, s.Size, s.Runs); err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	return img, nil
}
