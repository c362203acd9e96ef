// A plugin with two functions: greet takes and returns text, summarise takes an order and returns a report.
// A comment before a function says what it takes and returns: unit, bytes (an ArrayBuffer), text, or value.

// @sandbox text -> text
export function greet(name) {
  if (name === "") throw new Error("nobody to greet");
  return `Hello, ${name}!`;
}

// @sandbox value -> value
export function summarise(order) {
  if (!Array.isArray(order?.items) || typeof order.customer !== "string") {
    throw new TypeError("this is no order: it has a customer and items");
  }
  if (order.items.length === 0) throw new Error("the order has no items");
  let dearest = order.items[0];
  const report = { customer: order.customer, articles: 0, total: 0 };
  for (const item of order.items) {
    // A bug, as it were: it ends this instance, and the next call finds a new one.
    if (item.count < 0) sandbox.panic("a count is negative");
    report.articles += item.count;
    report.total += item.price * item.count;
    if (item.price > dearest.price) dearest = item;
  }
  report.dearest = dearest.name;
  return report;
}
