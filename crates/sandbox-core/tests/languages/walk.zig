//! Works in the folder in which it is started, and says what it saw. Natively and in a sandbox it says the same.

const std = @import("std");
const Io = std.Io;

var out: *Io.Writer = undefined;

fn say(what: []const u8, result: anytype) !void {
    if (result) |_| {
        try out.print("{s}: done\n", .{what});
    } else |err| {
        try out.print("{s}: {s}\n", .{ what, @errorName(err) });
    }
}

fn earlier(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.order(u8, a, b) == .lt;
}

fn walk(io: Io, arena: std.mem.Allocator, folder: Io.Dir) !void {
    var lines: std.ArrayList([]const u8) = .empty;
    var walker = try folder.walk(arena);
    defer walker.deinit();
    while (try walker.next(io)) |entry| {
        const mark = if (entry.kind == .directory) "/" else "";
        try lines.append(arena, try std.fmt.allocPrint(arena, "{s}{s}", .{ entry.path, mark }));
    }
    std.mem.sort([]const u8, lines.items, {}, earlier);
    for (lines.items) |line| try out.print("{s}\n", .{line});
}

pub fn main(init: std.process.Init) !void {
    const io = init.io;
    var buffer: [4096]u8 = undefined;
    var stdout = Io.File.stdout().writerStreaming(io, &buffer);
    out = &stdout.interface;
    var folder = try Io.Dir.cwd().openDir(io, ".", .{ .iterate = true });
    defer folder.close(io);

    const created = try Io.Dir.cwd().createFile(io, "x.txt", .{});
    try created.writeStreamingAll(io, "hello\n");
    created.close(io);
    try say("create", folder.createDir(io, "a", .default_dir));
    try say("create again", folder.createDir(io, "a", .default_dir));
    try say("create a path", folder.createDirPath(io, "a/b/c"));
    for (0..300) |i| {
        var name: [32]u8 = undefined;
        const path = try std.fmt.bufPrint(&name, "a/b/c/{d}", .{i});
        try folder.writeFile(io, .{ .sub_path = path, .data = path });
    }
    var read: [64]u8 = undefined;
    try out.print("{s}\n", .{try folder.readFile(io, "a/b/c/123", &read)});
    try say("read what is not there", folder.readFile(io, "none", &read));
    try say("rename", folder.rename("x.txt", folder, "a/y.txt", io));
    try say("rename what is gone", folder.rename("x.txt", folder, "a/y.txt", io));
    try out.print("{s}", .{try folder.readFile(io, "a/y.txt", &read)});
    try say("exclusive", folder.createFile(io, "a/y.txt", .{ .exclusive = true }));
    try say("a file as a folder", folder.createDir(io, "a/y.txt/z", .default_dir));
    try say("delete a full folder", folder.deleteDir(io, "a/b"));
    const file = try folder.openFile(io, "a/y.txt", .{ .mode = .read_write });
    try say("write", file.writePositionalAll(io, "JK", 2));
    try say("set the length", file.setLength(io, 4));
    try out.print("{d}\n", .{try file.length(io)});
    file.close(io);
    try out.print("{s}\n", .{try folder.readFile(io, "a/y.txt", &read)});
    try say("delete a tree", folder.deleteTree(io, "a/b"));
    try walk(io, init.arena.allocator(), folder);
    try say("delete a tree", folder.deleteTree(io, "a"));
    try walk(io, init.arena.allocator(), folder);
    try out.flush();
}
