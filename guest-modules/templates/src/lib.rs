//! Pages from a template.

use std::error::Error;

use minijinja::Environment;
use minijinja::value::{Serde, Value};

/// A page of orders: loops in loops, conditions, filters, a macro, and text that has to be escaped.
const TEMPLATE: &str = r#"{% macro price(cents) %}{{ cents // 100 }}.{{ cents % 100 }}{% endmacro -%}
<table>
{%- for order in orders %}
  <tr class="{{ loop.cycle('even', 'odd') }}"><td>{{ loop.index }}</td>
    <td>{% if order.customer.Registered %}{{ order.customer.Registered.name | title }}
      {%- for tag in order.customer.Registered.tags %} <i>{{ tag | upper }}</i>{% endfor %}
      {%- else %}guest{% endif %}</td>
    <td><ul>{% for item in order.items %}
      <li>{{ item[1] }} x {{ item[0] }}: {{ price(prices[item[0]] * item[1]) }}</li>{% endfor %}
    </ul></td>
    <td>{% for key, note in order.notes | items %}<p><b>{{ key }}</b> {{ note }}</p>{% endfor %}</td>
  </tr>
{%- endfor %}
</table>
"#;

/// Renders the page of a document with `orders` and `prices`.
///
/// # Errors
/// If the document is not JSON, or is not what the template expects.
pub fn run(input: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let document: serde_json::Value = serde_json::from_slice(input)?;
    let mut environment = Environment::new();
    // The name decides how text is escaped.
    environment.add_template("orders.html", TEMPLATE)?;
    Ok(environment.get_template("orders.html")?.render(Value::from(Serde(&document)))?.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_every_order_and_escapes_its_text() {
        let document = serde_json::json!({
            "orders": [
                { "customer": { "Registered": { "name": "ada <x>", "tags": ["new"] } },
                  "items": [["bolt", 3]], "notes": { "gift": "yes" } },
                { "customer": "Guest", "items": [], "notes": {} },
            ],
            "prices": { "bolt": 150 },
        });
        let page = String::from_utf8(run(document.to_string().as_bytes()).unwrap()).unwrap();
        for part in [
            "Ada &lt;",
            "<i>NEW</i>",
            "<li>3 x bolt: 4.50</li>",
            "<b>gift</b> yes",
            "<td>guest</td>",
        ] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
    }
}
