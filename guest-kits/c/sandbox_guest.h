// sandbox_guest.h: functions of bytes, text and values for guests of the sandbox, in C and C++.
//
// It needs a compiler for wasm32-wasi (clang, or `zig cc`) and malloc. Include it wherever it is used.
//
//     #include "sandbox_guest.h"
//
//     SANDBOX_FUNCTION(shout, text, text) {
//         for (size_t i = 0; i < input.len; i++) sandbox_put(toupper(input.data[i]));
//         return SANDBOX_RETURNED;
//     }
//
// The host calls it by its name. Kinds of inputs and outputs are unit, bytes, text (UTF-8) and value (JSON).
// crates/sandbox-guest/ABI.md says what this implements.

#ifndef SANDBOX_GUEST_H
#define SANDBOX_GUEST_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// Input of a call. A zero follows the last byte, so text without zeros is also a string of C.
typedef struct {
    const char *data;
    size_t len;
} sandbox_input;

// Outcome of a function.
typedef enum {
    SANDBOX_RETURNED = 0,
    SANDBOX_FAILED = 1,
    SANDBOX_UNDECODABLE = 2,
    SANDBOX_UNENCODABLE = 3,
} sandbox_status;

// Begins the definition of a function that the host calls. Its body sees `input`, writes its output and returns a status.
#define SANDBOX_FUNCTION(name, takes, returns)                                                                          \
    __asm__(".section \".custom_section.sandbox-guest\",\"\",@\n"                                                        \
            ".ascii \"{\\\"abi\\\":1,\\\"export\\\":\\\"" #name "\\\",\\\"input\\\":\\\"" #takes                        \
            "\\\",\\\"output\\\":\\\"" #returns "\\\"}\\n\"\n"                                                          \
            ".text\n");                                                                                                 \
    static sandbox_status sandbox_body_of_##name(sandbox_input input);                                                  \
    SANDBOX_C_LINKAGE __attribute__((export_name(#name))) int32_t sandbox_call_of_##name(uint32_t len) {                \
        return sandbox_body_of_##name(sandbox_begin(len));                                                              \
    }                                                                                                                   \
    static sandbox_status sandbox_body_of_##name(sandbox_input input)

#ifdef __cplusplus
#define SANDBOX_C_LINKAGE extern "C"
#else
#define SANDBOX_C_LINKAGE
#endif

// Values of these guests are JSON.
__asm__(".section \".custom_section.sandbox-guest\",\"\",@\n"
        ".ascii \"{\\\"abi\\\":1,\\\"formats\\\":[\\\"json\\\"]}\\n\"\n"
        ".text\n");

// One of each in a program, however many of its files include this.
#define SANDBOX_ONE __attribute__((weak))

typedef struct {
    uint32_t input_ptr, input_capacity, output_ptr, output_len, format, state;
} sandbox_area;

SANDBOX_ONE sandbox_area sandbox_exchange_area;
SANDBOX_ONE char *sandbox_output_buffer;
SANDBOX_ONE size_t sandbox_output_capacity;

SANDBOX_ONE __attribute__((export_name("sandbox_exchange"))) uint32_t sandbox_exchange(void) {
    return (uint32_t)(uintptr_t)&sandbox_exchange_area;
}

// Makes room for an input, and for the zero after it.
SANDBOX_ONE __attribute__((export_name("sandbox_reserve"))) uint32_t sandbox_reserve(uint32_t capacity) {
    free((void *)(uintptr_t)sandbox_exchange_area.input_ptr);
    char *room = capacity == UINT32_MAX ? NULL : (char *)malloc((size_t)capacity + 1);
    sandbox_exchange_area.input_ptr = (uint32_t)(uintptr_t)room;
    sandbox_exchange_area.input_capacity = room ? capacity : 0;
    return sandbox_exchange_area.input_ptr;
}

// Ends the instance, with a message for the host. What the function did to memory is gone with it.
SANDBOX_ONE __attribute__((noreturn)) void sandbox_panic(const char *message) {
    sandbox_exchange_area.output_ptr = (uint32_t)(uintptr_t)message;
    sandbox_exchange_area.output_len = (uint32_t)strlen(message);
    sandbox_exchange_area.state = 1;
    __builtin_trap();
}

// Adds bytes to the output.
SANDBOX_ONE void sandbox_write(const void *data, size_t len) {
    size_t written = sandbox_exchange_area.output_len;
    if (len > sandbox_output_capacity - written) {
        size_t capacity = sandbox_output_capacity < 512 ? 1024 : sandbox_output_capacity * 2;
        if (capacity < written + len) capacity = written + len;
        char *larger = (char *)realloc(sandbox_output_buffer, capacity);
        if (!larger) sandbox_panic("there is no memory for the output");
        sandbox_output_buffer = larger;
        sandbox_output_capacity = capacity;
        sandbox_exchange_area.output_ptr = (uint32_t)(uintptr_t)larger;
    }
    memcpy(sandbox_output_buffer + written, data, len);
    sandbox_exchange_area.output_len = (uint32_t)(written + len);
}

// Adds a string of C to the output, or one byte.
static inline void sandbox_text(const char *text) { sandbox_write(text, strlen(text)); }
static inline void sandbox_put(char byte) { sandbox_write(&byte, 1); }

// Begins a call: an empty output, and the input. `SANDBOX_FUNCTION` calls it.
SANDBOX_ONE sandbox_input sandbox_begin(uint32_t len) {
    sandbox_exchange_area.output_ptr = (uint32_t)(uintptr_t)sandbox_output_buffer;
    sandbox_exchange_area.output_len = 0;
    if (!sandbox_exchange_area.input_ptr && !sandbox_reserve(len)) sandbox_panic("there is no memory for the input");
    char *data = (char *)(uintptr_t)sandbox_exchange_area.input_ptr;
    data[len] = 0;
    sandbox_input input = {data, len};
    return input;
}

// Ends a call without a result: `return sandbox_fail("why");`. The host gets the message as an error; the instance lives on.
static inline sandbox_status sandbox_fail(const char *message) {
    sandbox_exchange_area.output_len = 0;
    sandbox_text(message);
    return SANDBOX_FAILED;
}

// Ends a call whose input is not what the function takes.
static inline sandbox_status sandbox_bad_input(const char *message) {
    sandbox_fail(message);
    return SANDBOX_UNDECODABLE;
}

#ifdef __cplusplus
}
#endif

#endif
