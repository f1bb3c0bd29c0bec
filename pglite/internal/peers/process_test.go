package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// eachProcess calls f with the folder in /proc of a process and of each of its
// descendants. There is none where there is no /proc.
func eachProcess(pid int, f func(proc string)) {
	proc := fmt.Sprintf("/proc/%d", pid)
	f(proc)
	lists, _ := filepath.Glob(proc + "/task/*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(children)) {
			if n, err := strconv.Atoi(child); err == nil {
				eachProcess(n, f)
			}
		}
	}
}

// treeMB sums fields of smaps_rollup (proc_pid_smaps(5)) over a process and its
// descendants, in 10⁶ bytes; 0 where it can't be told. Pss counts what is mapped
// several times once, which VmRSS doesn't: shared memory is mapped by each
// backend, as a process or within one.
func treeMB(pid int, fields ...string) float64 {
	sum := 0.0
	eachProcess(pid, func(proc string) {
		rollup, _ := os.ReadFile(proc + "/smaps_rollup")
		for line := range strings.Lines(string(rollup)) {
			for _, field := range fields {
				if rest, ok := strings.CutPrefix(line, field+":"); ok {
					kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
					sum += kb * 1024 / 1e6
				}
			}
		}
	})
	return sum
}

// privateMB is what a process tree has for itself.
func privateMB(pid int) float64 { return treeMB(pid, "Private_Clean", "Private_Dirty") }

// treeCPU is what a process and its descendants have spent, with those that
// have ended: utime, stime, cutime and cstime of proc_pid_stat(5), in units of
// 10 ms (USER_HZ is 100 on all of Linux).
func treeCPU(pid int) time.Duration {
	var sum time.Duration
	eachProcess(pid, func(proc string) {
		stat, _ := os.ReadFile(proc + "/stat")
		// The second field is a name in parentheses, with anything in it.
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 15 {
			return
		}
		for _, ticks := range fields[11:15] {
			n, _ := strconv.ParseInt(ticks, 10, 64)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	})
	return sum
}
