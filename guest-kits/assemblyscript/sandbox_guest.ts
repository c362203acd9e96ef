// Functions of bytes, text and values for guests of the sandbox.
//
// A plugin exports what the sandbox knows, and functions that wrap ordinary ones:
//
//   export { sandbox_exchange, sandbox_reserve } from "./sandbox_guest";
//   export function greet(length: i32): i32 { return text(length, (name) => answer("Hello, " + name + "!")); }
//
// `text` is for functions of text, `value` for functions of values, which travel as JSON, and `bytes` for functions of
// bytes. Compile with `--use abort=sandbox_guest/abort`, so that the host gets the message of what is thrown.
// crates/sandbox-guest/ABI.md says what this implements.

// Six numbers of 32 bits: where the input is and its room, where the output is and its length, the format, and the state.
const AREA = memory.data(24, 4);
const INPUT_PTR = 0, INPUT_CAPACITY = 4, OUTPUT_PTR = 8, OUTPUT_LEN = 12, STATE = 20;

// Kept here, so that the collector leaves them to the host.
let input = new ArrayBuffer(0);
let output = new ArrayBuffer(0);

export function sandbox_exchange(): usize {
  return AREA;
}

export function sandbox_reserve(capacity: i32): usize {
  input = new ArrayBuffer(capacity);
  store<u32>(AREA + INPUT_CAPACITY, capacity);
  store<usize>(AREA + INPUT_PTR, changetype<usize>(input));
  return changetype<usize>(input);
}

/** Outcome of a function: `answer(result)`, `fail("why")` or `badInput("why")`. */
export class Outcome<T> {
  constructor(public status: i32, public result: T | null, public message: string = "") {}
}

/** A result. */
export function answer<T>(result: T): Outcome<T> {
  return new Outcome<T>(0, result);
}

/** An error of the call. The instance lives on. */
export function fail<T>(message: string): Outcome<T> {
  return new Outcome<T>(1, null, message);
}

/** The input is not what the function takes. */
export function badInput<T>(message: string): Outcome<T> {
  return new Outcome<T>(2, null, message);
}

export function text(length: i32, body: (input: string) => Outcome<string>): i32 {
  const outcome = body(String.UTF8.decodeUnsafe(changetype<usize>(input), length));
  const result = outcome.result;
  return leave(outcome.status, String.UTF8.encode(result === null ? outcome.message : result));
}

/** As `text`: the JSON is the function's to read and to write. */
export function value(length: i32, body: (input: string) => Outcome<string>): i32 {
  return text(length, body);
}

export function bytes(length: i32, body: (input: ArrayBuffer) => Outcome<ArrayBuffer>): i32 {
  const outcome = body(input.slice(0, length));
  const result = outcome.result;
  return leave(outcome.status, result === null ? String.UTF8.encode(outcome.message) : result);
}

/** Takes the place of AssemblyScript's `abort`: ends the instance with the message of what was thrown. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message === null ? "aborted" : message;
  const where = file === null ? "" : ` (${file}:${line}:${column})`;
  // The collector does not run any more.
  const said = String.UTF8.encode(what + where);
  store<usize>(AREA + OUTPUT_PTR, changetype<usize>(said));
  store<u32>(AREA + OUTPUT_LEN, said.byteLength);
  store<u32>(AREA + STATE, 1);
  unreachable();
}

// Leaves the output where the host finds it.
function leave(status: i32, result: ArrayBuffer): i32 {
  output = result;
  store<usize>(AREA + OUTPUT_PTR, changetype<usize>(output));
  store<u32>(AREA + OUTPUT_LEN, output.byteLength);
  return status;
}
