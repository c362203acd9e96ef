// A plugin with two functions: greet takes and returns text, summarise takes an order and returns a report.

#include "json.h"
#include "sandbox_guest.h"

SANDBOX_FUNCTION(greet, text, text) {
    if (input.len == 0) return sandbox_fail("nobody to greet");
    sandbox_text("Hello, ");
    sandbox_write(input.data, input.len);
    sandbox_text("!");
    return SANDBOX_RETURNED;
}

typedef struct {
    char *name;
    double price, count;
} item;

static bool read_item(json *in, item *item) {
    bool has_price = false, has_count = false;
    if (!json_take(in, '{')) return false;
    do {
        char *field = json_text(in);
        if (!field || !json_take(in, ':')) return free(field), false;
        bool read;
        if (!strcmp(field, "name")) {
            free(item->name);
            read = (item->name = json_text(in)) != NULL;
        } else if (!strcmp(field, "price")) {
            read = has_price = json_number(in, &item->price);
        } else if (!strcmp(field, "count")) {
            read = has_count = json_number(in, &item->count);
        } else {
            read = json_skip(in);
        }
        free(field);
        if (!read) return false;
    } while (json_take(in, ','));
    return json_take(in, '}') && item->name && has_price && has_count;
}

// The report so far.
typedef struct {
    char *customer, *dearest;
    double articles, total, dearest_price;
    bool has_items;
} report;

static bool read_items(json *in, report *report) {
    if (!json_take(in, '[')) return false;
    report->has_items = true;
    if (json_take(in, ']')) return true;
    do {
        item item = {0};
        if (!read_item(in, &item)) return free(item.name), false;
        // A bug, as it were: it ends this instance, and the next call finds a new one.
        if (item.count < 0) sandbox_panic("a count is negative");
        report->articles += item.count;
        report->total += item.price * item.count;
        if (!report->dearest || item.price > report->dearest_price) {
            free(report->dearest);
            report->dearest = item.name;
            report->dearest_price = item.price;
        } else {
            free(item.name);
        }
    } while (json_take(in, ','));
    return json_take(in, ']');
}

static bool read_order(json *in, report *report) {
    if (!json_take(in, '{')) return false;
    do {
        char *field = json_text(in);
        if (!field || !json_take(in, ':')) return free(field), false;
        bool read;
        if (!strcmp(field, "customer")) {
            free(report->customer);
            read = (report->customer = json_text(in)) != NULL;
        } else if (!strcmp(field, "items")) {
            read = read_items(in, report);
        } else {
            read = json_skip(in);
        }
        free(field);
        if (!read) return false;
    } while (json_take(in, ','));
    if (!json_take(in, '}')) return false;
    json_space(in);
    return in->at == in->end && report->customer && report->has_items;
}

static void write_report(const report *report) {
    sandbox_text("{\"customer\":");
    json_put_text(report->customer);
    sandbox_text(",\"articles\":");
    json_put_number(report->articles);
    sandbox_text(",\"total\":");
    json_put_number(report->total);
    sandbox_text(",\"dearest\":");
    json_put_text(report->dearest);
    sandbox_put('}');
}

SANDBOX_FUNCTION(summarise, value, value) {
    json in = {input.data, input.data + input.len, 0};
    report report = {0};
    sandbox_status status = SANDBOX_RETURNED;
    if (!read_order(&in, &report)) {
        status = sandbox_bad_input("this is no order: it has a customer and items, with name, price and count");
    } else if (!report.dearest) {
        status = sandbox_fail("the order has no items");
    } else {
        write_report(&report);
    }
    free(report.customer);
    free(report.dearest);
    return status;
}
