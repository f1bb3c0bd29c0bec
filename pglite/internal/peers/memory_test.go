package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// treeMB sums a field of smaps_rollup (proc_pid_smaps(5)) over a process and its
// descendants, in 10⁶ bytes; 0 where it can't be told. Pss counts what is mapped
// several times once, which VmRSS doesn't: shared memory is mapped by each
// backend, as a process or within one.
func treeMB(pid int, field string) float64 {
	if pid == 0 {
		return 0
	}
	sum := 0.0
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(rollup)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			sum += kb * 1024 / 1e6
		}
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				sum += treeMB(n, field)
			}
		}
	}
	return sum
}

// privateMB is what a process tree has for itself.
func privateMB(pid int) float64 { return treeMB(pid, "Private_Clean") + treeMB(pid, "Private_Dirty") }
