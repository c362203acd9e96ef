// A plugin with two functions: greet takes and returns text, summarise takes an order and returns a report.

import { Json, quoted } from "./json";
import { Outcome, answer, badInput, fail, text, value } from "./sandbox_guest";

export { sandbox_exchange, sandbox_reserve } from "./sandbox_guest";

export function greet(length: i32): i32 {
  return text(length, (name) => {
    if (name.length == 0) return fail<string>("nobody to greet");
    return answer("Hello, " + name + "!");
  });
}

export function summarise(length: i32): i32 {
  return value(length, reportOf);
}

class Item {
  name: string | null = null;
  price: f64 = NaN;
  count: f64 = NaN;
}

function itemOf(json: Json): Item {
  const item = new Item();
  json.expect("{");
  do {
    const field = json.text();
    json.expect(":");
    if (field == "name") item.name = json.text();
    else if (field == "price") item.price = json.number();
    else if (field == "count") item.count = json.number();
    else json.skip();
  } while (!json.failed && json.take(","));
  json.expect("}");
  if (item.name === null || isNaN(item.price) || isNaN(item.count)) json.failed = true;
  return item;
}

function itemsOf(json: Json): Item[] {
  const items: Item[] = [];
  json.expect("[");
  if (json.take("]")) return items;
  do {
    items.push(itemOf(json));
  } while (!json.failed && json.take(","));
  json.expect("]");
  return items;
}

function reportOf(order: string): Outcome<string> {
  const json = new Json(order);
  let customer: string | null = null;
  let items: Item[] | null = null;
  json.expect("{");
  do {
    const field = json.text();
    json.expect(":");
    if (field == "customer") customer = json.text();
    else if (field == "items") items = itemsOf(json);
    else json.skip();
  } while (!json.failed && json.take(","));
  json.expect("}");
  if (json.failed || !json.isOver() || customer === null || items === null) {
    return badInput<string>("this is no order: it has a customer and items, with name, price and count");
  }
  if (items.length == 0) return fail<string>("the order has no items");
  let articles = 0.0, total = 0.0, dearest = items[0];
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    // A bug, as it were: it ends this instance, and the next call finds a new one.
    if (item.count < 0) throw new Error("a count is negative");
    articles += item.count;
    total += item.price * item.count;
    if (item.price > dearest.price) dearest = item;
  }
  const name = dearest.name === null ? "" : dearest.name!;
  return answer(
    `{"customer":${quoted(customer)},"articles":${<i64>articles},"total":${<i64>total},"dearest":${quoted(name)}}`,
  );
}
