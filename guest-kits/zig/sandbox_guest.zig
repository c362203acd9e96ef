//! Functions of bytes, text and values for guests of the sandbox.
//!
//! An ordinary function is declared and exported under its name:
//!
//!     const guest = @import("sandbox_guest.zig");
//!     pub const panic = guest.panic;
//!     comptime {
//!         guest.function("greet", greet);
//!     }
//!     fn greet(memory: std.mem.Allocator, name: []const u8) ![]const u8 {
//!         return std.fmt.allocPrint(memory, "Hello, {s}!", .{name});
//!     }
//!
//! Its first parameter is memory that is free again after the call. `[]const u8` is text, every other type is a value, which
//! travels as JSON. An error is an error of the call, by its name or with what `fail` was told. A panic ends the instance.
//! crates/sandbox-guest/ABI.md says what this implements.

const std = @import("std");

const Area = extern struct {
    input_ptr: u32 = 0,
    input_capacity: u32 = 0,
    output_ptr: u32 = 0,
    output_len: u32 = 0,
    format: u32 = 0,
    state: u32 = 0,
};

const Status = enum(i32) { returned = 0, failed = 1, undecodable = 2, unencodable = 3 };

var area: Area = .{};
var input: []u8 = &.{};
var arena: std.heap.ArenaAllocator = .init(std.heap.wasm_allocator);
var reason: ?[]const u8 = null;

export fn sandbox_exchange() u32 {
    return @intFromPtr(&area);
}

export fn sandbox_reserve(capacity: u32) u32 {
    std.heap.wasm_allocator.free(input);
    input = &.{};
    area.input_capacity = 0;
    input = std.heap.wasm_allocator.alloc(u8, capacity) catch return 0;
    area.input_ptr = @intFromPtr(input.ptr);
    area.input_capacity = capacity;
    return area.input_ptr;
}

/// Returns an error of the call with that message: `return guest.fail("no items");`.
pub fn fail(message: []const u8) error{Failed} {
    reason = message;
    return error.Failed;
}

/// Ends the instance with the message of a panic. The program's root has it as `pub const panic = guest.panic;`.
pub const panic = std.debug.FullPanic(panicked);

fn panicked(message: []const u8, _: ?usize) noreturn {
    leave(message);
    area.state = 1;
    @trap();
}

/// Exports a function under that name, and declares what it takes and returns.
pub fn function(comptime name: []const u8, comptime body: anytype) void {
    const Takes = @FieldType(std.meta.ArgsTuple(@TypeOf(body)), "1");
    const Returns = @typeInfo(@typeInfo(@TypeOf(body)).@"fn".return_type.?).error_union.payload;
    const exported = struct {
        fn call(len: u32) callconv(.c) i32 {
            return @backingInt(run(Takes, Returns, body, input[0..len]));
        }
    };
    @export(&exported.call, .{ .name = name });
    declare("{\"abi\":1,\"export\":\"" ++ name ++ "\",\"input\":\"" ++ kind(Takes) ++ "\",\"output\":\"" ++ kind(Returns) ++ "\"}");
}

comptime {
    declare("{\"abi\":1,\"formats\":[\"json\"]}");
}

/// Adds a line to the custom section. Assembly of a whole program stands in a type, not in a function.
fn declare(comptime line: []const u8) void {
    comptime var escaped: []const u8 = "";
    inline for (line) |byte| escaped = escaped ++ if (byte == '"') "\\\"" else &[_]u8{byte};
    const directive = ".section \".custom_section.sandbox-guest\",\"\",@\n.ascii \"" ++ escaped ++ "\\n\"\n.text\n";
    _ = struct {
        comptime {
            asm (directive);
        }
    };
}

fn kind(comptime T: type) []const u8 {
    return if (T == []const u8) "text" else if (T == void) "unit" else "value";
}

fn run(comptime Takes: type, comptime Returns: type, comptime body: anytype, bytes: []const u8) Status {
    _ = arena.reset(.retain_capacity);
    reason = null;
    const memory = arena.allocator();
    const argument: Takes = switch (comptime kind(Takes)[0]) {
        't' => bytes,
        'u' => {},
        else => std.json.parseFromSliceLeaky(Takes, memory, bytes, .{ .ignore_unknown_fields = true }) catch |err| {
            leave(@errorName(err));
            return .undecodable;
        },
    };
    const result: Returns = body(memory, argument) catch |err| {
        leave(reason orelse @errorName(err));
        return .failed;
    };
    switch (comptime kind(Returns)[0]) {
        't' => leave(result),
        'u' => leave(""),
        else => leave(std.json.Stringify.valueAlloc(memory, result, .{}) catch |err| {
            leave(@errorName(err));
            return .unencodable;
        }),
    }
    return .returned;
}

/// Leaves the output where the host finds it.
fn leave(output: []const u8) void {
    area.output_ptr = @intFromPtr(output.ptr);
    area.output_len = output.len;
}
