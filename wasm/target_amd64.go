package wasm

import "golang.org/x/sys/cpu"

// cpuFeatures is wazero's internal/platform/cpuid_amd64.go.
func cpuFeatures() []string {
	var list []string
	if cpu.X86.HasSSE41 {
		list = append(list, "sse4.1")
	}
	if cpu.X86.HasBMI1 {
		list = append(list, "bmi1")
	}
	if cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT {
		list = append(list, "abm")
	}
	return list
}
