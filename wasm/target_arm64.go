package wasm

import "golang.org/x/sys/cpu"

// cpuFeatures is wazero's internal/platform/cpuid_arm64.go.
func cpuFeatures() []string {
	var list []string
	if cpu.ARM64.HasATOMICS {
		list = append(list, "atomics")
	}
	return list
}
