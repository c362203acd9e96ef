// Package guest writes functions of bytes, text and values for guests of the sandbox.
//
// A function that the host calls is exported with the signature that the sandbox knows, and wraps an ordinary one:
//
//	//go:wasmexport greet
//	func greet(length int32) int32 { return guest.Text(length, hello) }
//
//	func hello(name string) (string, error) { return "Hello, " + name + "!", nil }
//
// An error is an error of the call, and the instance lives on. A panic ends the instance.
// crates/sandbox-guest/ABI.md says what this implements.
package guest

import (
	"encoding/json"
	"fmt"
	"unsafe"
)

// Statuses that a call returns.
const (
	returned    = 0
	failed      = 1
	undecodable = 2
	unencodable = 3
)

// The area by which host and guest exchange where the input goes and where the output is.
var area struct {
	inputPtr, inputCapacity, outputPtr, outputLen, format, state uint32
}

// Kept here, so that the collector leaves them to the host.
var input, output []byte

//go:wasmexport sandbox_exchange
func exchange() int32 {
	return int32(uintptr(unsafe.Pointer(&area)))
}

//go:wasmexport sandbox_reserve
func reserve(capacity int32) int32 {
	input = make([]byte, max(capacity, 1))
	area.inputPtr = uint32(uintptr(unsafe.Pointer(&input[0])))
	area.inputCapacity = uint32(len(input))
	return int32(area.inputPtr)
}

// Bytes calls a function of bytes. The input is the function's until it returns; the output is the host's until the next call.
func Bytes(length int32, function func([]byte) ([]byte, error)) int32 {
	return call(length, func(input []byte) ([]byte, int32) {
		result, err := function(input)
		return orError(result, err)
	})
}

// Text calls a function of text.
func Text(length int32, function func(string) (string, error)) int32 {
	return call(length, func(input []byte) ([]byte, int32) {
		result, err := function(string(input))
		return orError([]byte(result), err)
	})
}

// Value calls a function of any value that encoding/json knows.
func Value[I, O any](length int32, function func(I) (O, error)) int32 {
	return call(length, func(input []byte) ([]byte, int32) {
		var argument I
		if err := json.Unmarshal(input, &argument); err != nil {
			return []byte(err.Error()), undecodable
		}
		result, err := function(argument)
		if err != nil {
			return []byte(err.Error()), failed
		}
		encoded, err := json.Marshal(result)
		if err != nil {
			return []byte(err.Error()), unencodable
		}
		return encoded, returned
	})
}

func orError(result []byte, err error) ([]byte, int32) {
	if err != nil {
		return []byte(err.Error()), failed
	}
	return result, returned
}

func call(length int32, function func([]byte) ([]byte, int32)) int32 {
	defer func() {
		if panicked := recover(); panicked != nil {
			leave([]byte(fmt.Sprint("panic: ", panicked)))
			area.state = 1
			trap()
		}
	}()
	if int(length) > len(input) {
		panic("the host passes more than there is room for")
	}
	result, status := function(input[:length])
	leave(result)
	return status
}

// Leaves the output where the host finds it.
func leave(result []byte) {
	output = result
	area.outputPtr = uint32(uintptr(unsafe.Pointer(unsafe.SliceData(output))))
	area.outputLen = uint32(len(output))
}
