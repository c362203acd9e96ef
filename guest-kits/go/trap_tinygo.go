//go:build tinygo

package guest

// Ends the instance.
func trap() { panic("the function panicked") }
