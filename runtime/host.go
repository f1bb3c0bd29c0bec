package runtime

import (
	"context"
	"maps"
)

// hostFunc is one import: parameters in s, the result in s[0].
type hostFunc func(i *Instance, s []uint64)

// Call makes it wazero's api.GoFunction.
func (f hostFunc) Call(ctx context.Context, s []uint64) { f(instanceOf(ctx), s) }

// families are the tables of host functions with the file that each stands in.
var families = []struct {
	file  string
	calls map[string]hostFunc
}{
	{"sys_file.go", fileCalls}, {"sys_dir.go", directoryCalls}, {"sys_fd.go", descriptorCalls},
	{"sys_mem.go", memoryCalls}, {"sys_time.go", timeCalls}, {"sys_process.go", processCalls},
	{"sys_net.go", networkCalls}, {"wasi.go", wasiCalls}, {"dlopen.go", linkCalls},
}

// hostFunctions is every import the host implements, but for invoke_*.
var hostFunctions = func() map[string]hostFunc {
	all := map[string]hostFunc{}
	for _, f := range families {
		maps.Copy(all, f.calls)
	}
	return all
}()

// posix adapts a function that returns a value or an errno to the
// convention of __syscall_*: the value, or −errno.
func posix(f func(i *Instance, a args) (uint32, errno)) hostFunc {
	return func(i *Instance, s []uint64) {
		v, e := f(i, s)
		if e != 0 {
			s[0] = e.result()
			return
		}
		s[0] = uint64(v)
	}
}

// args are the parameters of a host function.
type args []uint64

func (a args) u32(k int) uint32 { return uint32(a[k]) }
func (a args) i32(k int) int32  { return int32(uint32(a[k])) }
func (a args) i64(k int) int64  { return int64(a[k]) }
func (a args) fd(k int) int     { return int(int32(uint32(a[k]))) }
