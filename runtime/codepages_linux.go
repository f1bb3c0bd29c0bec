//go:build amd64 || arm64

package runtime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// minCode is the least code worth the trouble, in bytes.
const minCode = 1 << 20

// executable lists the anonymous mappings that can be executed, by their addresses
// (proc_pid_maps(5)).
func executable() (map[uintptr]uintptr, error) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := map[uintptr]uintptr{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// from-to perms offset dev inode, and a name if there is one
		fields := strings.Fields(lines.Text())
		if len(fields) != 5 || fields[1] != "r-xp" || fields[4] != "0" {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		a, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return nil, err
		}
		b, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			return nil, err
		}
		all[uintptr(a)] = uintptr(b - a)
	}
	return all, nil
}

// in tells whether the code is part of one of these mappings.
func (c codePages) in(mappings map[uintptr]uintptr) bool {
	for addr, size := range mappings {
		if addr <= c.addr && c.addr+c.size <= addr+size {
			return true
		}
	}
	return false
}

// touches tells whether one of these mappings has a byte of the code.
func (c codePages) touches(mappings map[uintptr]uintptr) bool {
	for addr, size := range mappings {
		if addr < c.addr+c.size && c.addr < addr+size {
			return true
		}
	}
	return false
}

// addedCode runs load and tells which code it has added, if that is clear: the
// kernel makes one mapping of neighbours, of which another may go.
func addedCode(load func() error) (codePages, error) {
	before, unknown := executable()
	if err := load(); err != nil || unknown != nil {
		return codePages{}, err
	}
	after, unknown := executable()
	if unknown != nil {
		return codePages{}, nil
	}
	var added []codePages
	for addr, size := range after {
		if c := (codePages{addr, size}); size >= minCode && !c.touches(before) {
			added = append(added, c)
		}
	}
	if len(added) != 1 {
		return codePages{}, nil
	}
	return added[0], nil
}

// reader reads the code. The kernel copies it, so that no pointer leads there.
func (c codePages) reader(mem *os.File) io.Reader {
	return io.NewSectionReader(mem, int64(c.addr), int64(c.size))
}

func (c codePages) write(w io.Writer) error {
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	defer mem.Close()
	if _, err := io.Copy(w, c.reader(mem)); err != nil {
		return fmt.Errorf("runtime: copy machine code: %w", err)
	}
	return nil
}

func (c codePages) replace(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	if info.Size() != int64(c.size) {
		return fmt.Errorf("runtime: %s: %w", f.Name(), ErrOtherCode)
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	defer mem.Close()
	same, err := equal(c.reader(mem), io.NewSectionReader(f, 0, int64(c.size)))
	if err != nil {
		return fmt.Errorf("runtime: compare machine code: %w", err)
	}
	if !same {
		return fmt.Errorf("runtime: %s: %w", f.Name(), ErrOtherCode)
	}
	// Elsewhere first: a file system may allow no code to be executed from it.
	const code = unix.PROT_READ | unix.PROT_EXEC
	trial, err := unix.Mmap(int(f.Fd()), 0, int(c.size), code, unix.MAP_PRIVATE)
	if err == nil {
		err = unix.Munmap(trial)
	}
	if err != nil {
		return fmt.Errorf("runtime: map machine code: %w", err)
	}
	if now, err := executable(); err != nil || !c.in(now) {
		return fmt.Errorf("runtime: the machine code is not where it was: %w", errors.Join(errors.ErrUnsupported, err))
	}
	_, _, errno := unix.Syscall6(unix.SYS_MMAP, c.addr, c.size, code, unix.MAP_PRIVATE|unix.MAP_FIXED, f.Fd(), 0)
	if errno != 0 {
		return fmt.Errorf("runtime: map machine code: %w", errno)
	}
	return nil
}

// equal compares what both give to their ends.
func equal(a, b io.Reader) (bool, error) {
	p, q := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(a, p)
		m, other := io.ReadFull(b, q)
		if !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return other == err, nil
		case err != nil:
			return false, err
		case other != nil:
			return false, other
		}
	}
}
