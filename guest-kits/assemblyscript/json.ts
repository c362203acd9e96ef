// Just enough JSON for the example. A package, such as json-as, serves as well.

/** A place in a text of JSON. What is not JSON, or not what is asked for, sets `failed`. */
export class Json {
  at: i32 = 0;
  depth: i32 = 0;
  failed: bool = false;

  constructor(public source: string) {}

  /** Passes over a character, if it is the next one. */
  take(wanted: string): bool {
    while (this.at < this.source.length && " \t\r\n".includes(this.source.charAt(this.at))) this.at++;
    if (this.source.charAt(this.at) != wanted) return false;
    this.at++;
    return true;
  }

  expect(wanted: string): void {
    if (!this.take(wanted)) this.failed = true;
  }

  /** Whether the text is over. */
  isOver(): bool {
    this.take("");
    return this.at >= this.source.length;
  }

  number(): f64 {
    this.take("");
    const start = this.at;
    while (this.at < this.source.length && "+-.0123456789eE".includes(this.source.charAt(this.at))) this.at++;
    const number = parseFloat(this.source.substring(start, this.at));
    if (this.at == start || isNaN(number)) this.failed = true;
    return number;
  }

  text(): string {
    this.expect('"');
    let text = "";
    let start = this.at;
    while (!this.failed && this.at < this.source.length) {
      const code = this.source.charCodeAt(this.at);
      if (code == 0x22) {
        text += this.source.substring(start, this.at++);
        return text;
      }
      if (code == 0x5c) {
        text += this.source.substring(start, this.at++) + this.escaped();
        start = this.at;
      } else {
        this.at++;
      }
    }
    this.failed = true;
    return text;
  }

  private escaped(): string {
    const letter = this.source.charAt(this.at++);
    if (letter == "u") {
      const code = parseInt(this.source.substr(this.at, 4), 16);
      if (this.at + 4 > this.source.length || isNaN(code)) this.failed = true;
      this.at += 4;
      return String.fromCharCode(<i32>code);
    }
    const found = '"\\/bfnrt'.indexOf(letter);
    if (letter == "" || found < 0) this.failed = true;
    return '"\\/\b\f\n\r\t'.charAt(max(found, 0));
  }

  /** Passes over any value. */
  skip(): void {
    if (++this.depth > 64) this.failed = true;
    if (this.failed) return;
    if (this.take("{")) {
      if (!this.take("}")) {
        do {
          this.text();
          this.expect(":");
          this.skip();
        } while (!this.failed && this.take(","));
        this.expect("}");
      }
    } else if (this.take("[")) {
      if (!this.take("]")) {
        do {
          this.skip();
        } while (!this.failed && this.take(","));
        this.expect("]");
      }
    } else if (this.source.charAt(this.at) == '"') {
      this.text();
    } else if (this.source.startsWith("true", this.at) || this.source.startsWith("null", this.at)) {
      this.at += 4;
    } else if (this.source.startsWith("false", this.at)) {
      this.at += 5;
    } else {
      this.number();
    }
    this.depth--;
  }
}

/** Text in quotes. */
export function quoted(text: string): string {
  let quoted = '"';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code == 0x22 || code == 0x5c) quoted += "\\" + text.charAt(i);
    else if (code < 0x20) quoted += "\\u00" + (code < 16 ? "0" : "1") + (code % 16).toString(16);
    else quoted += text.charAt(i);
  }
  return quoted + '"';
}
