//go:build !(amd64 || arm64)

package wasm

// cpuFeatures is wazero's internal/platform/cpuid_unsupported.go.
func cpuFeatures() []string { return nil }
