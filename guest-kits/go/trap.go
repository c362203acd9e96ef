//go:build !tinygo

package guest

// Ends the instance; see trap_wasm.s.
func trap()
