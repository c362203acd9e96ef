//! A plugin with two functions: greet takes and returns text, summarise takes an order and returns a report.

const std = @import("std");
const guest = @import("sandbox_guest.zig");

pub const panic = guest.panic;

comptime {
    guest.function("greet", greet);
    guest.function("summarise", summarise);
}

fn greet(memory: std.mem.Allocator, name: []const u8) ![]const u8 {
    if (name.len == 0) return guest.fail("nobody to greet");
    return std.fmt.allocPrint(memory, "Hello, {s}!", .{name});
}

const Order = struct {
    customer: []const u8,
    items: []const struct { name: []const u8, price: i64, count: i64 },
};

const Report = struct { customer: []const u8, articles: i64, total: i64, dearest: []const u8 };

fn summarise(_: std.mem.Allocator, order: Order) !Report {
    if (order.items.len == 0) return guest.fail("the order has no items");
    var report: Report = .{ .customer = order.customer, .articles = 0, .total = 0, .dearest = "" };
    var dearest = order.items[0];
    for (order.items) |item| {
        // A bug, as it were: it ends this instance, and the next call finds a new one.
        if (item.count < 0) @panic("a count is negative");
        report.articles += item.count;
        report.total += item.price * item.count;
        if (item.price > dearest.price) dearest = item;
    }
    report.dearest = dearest.name;
    return report;
}
