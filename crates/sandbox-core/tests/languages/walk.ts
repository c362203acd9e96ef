// Works in the folder that it is given, and says what it saw. The library of AssemblyScript has no files, so this calls
// WASI itself; streams and arguments are those of its shim.

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_open")
declare function path_open(
  folder: u32, follow: u32, path: usize, len: usize, create: u16, rights: u64, inheriting: u64, flags: u16, fd: usize
): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_create_directory")
declare function path_create_directory(folder: u32, path: usize, len: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_remove_directory")
declare function path_remove_directory(folder: u32, path: usize, len: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_unlink_file")
declare function path_unlink_file(folder: u32, path: usize, len: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_rename")
declare function path_rename(folder: u32, path: usize, len: usize, to: u32, toPath: usize, toLen: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_readdir")
declare function fd_readdir(fd: u32, buffer: usize, len: usize, cookie: u64, used: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: u32, buffers: usize, count: usize, read: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, buffers: usize, count: usize, written: usize): u16;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_close")
declare function fd_close(fd: u32): u16;

const ROOT: u32 = 3;
const CREATE: u16 = 1;
const FOLDER: u16 = 2;
const EXCLUSIVE: u16 = 4;
const TRUNCATE: u16 = 8;
const APPEND: u16 = 1;
const READING: u64 = 1 << 1;
const WRITING: u64 = 1 << 6;
const LISTING: u64 = 1 << 14;
const IS_FOLDER: u8 = 3;

const out: usize = memory.data(64);
const listed: usize = memory.data(512);

class Opened {
  constructor(public errno: u16, public fd: u32) {}
}

const base: string = process.argv[1].substring(1);

function at(path: string): ArrayBuffer {
  let whole = base.length > 0 && path != "." ? base + "/" + path : base.length > 0 ? base : path;
  return String.UTF8.encode(whole);
}

function place(path: ArrayBuffer): usize {
  return changetype<usize>(path);
}

function open(path: string, how: u16, rights: u64, flags: u16): Opened {
  let name = at(path);
  let errno = path_open(ROOT, 1, place(name), name.byteLength, how, rights, rights, flags, out);
  return new Opened(errno, load<u32>(out));
}

function put(path: string, text: string, how: u16, flags: u16): u16 {
  let opened = open(path, how, WRITING, flags);
  if (opened.errno) return opened.errno;
  let bytes = String.UTF8.encode(text);
  store<u32>(out, place(bytes));
  store<u32>(out, bytes.byteLength, 4);
  let errno = fd_write(opened.fd, out, 1, out + 8);
  fd_close(opened.fd);
  return errno;
}

function get(path: string): string {
  let opened = open(path, 0, READING, 0);
  if (opened.errno) return "error " + opened.errno.toString();
  let bytes = new ArrayBuffer(4096);
  store<u32>(out, place(bytes));
  store<u32>(out, bytes.byteLength, 4);
  let errno = fd_read(opened.fd, out, 1, out + 8);
  fd_close(opened.fd);
  return errno ? "error " + errno.toString() : String.UTF8.decodeUnsafe(place(bytes), load<u32>(out, 8));
}

function make(path: string): u16 {
  let name = at(path);
  return path_create_directory(ROOT, place(name), name.byteLength);
}

function removeFolder(path: string): u16 {
  let name = at(path);
  return path_remove_directory(ROOT, place(name), name.byteLength);
}

function removeFile(path: string): u16 {
  let name = at(path);
  return path_unlink_file(ROOT, place(name), name.byteLength);
}

function rename(path: string, to: string): u16 {
  let from = at(path);
  let target = at(to);
  return path_rename(ROOT, place(from), from.byteLength, ROOT, place(target), target.byteLength);
}

// The names in a folder, in order, those of folders with a slash.
function list(path: string): string[] {
  let names: string[] = [];
  let opened = open(path, FOLDER, LISTING | READING, 0);
  let cookie: u64 = 0;
  while (true) {
    let errno = fd_readdir(opened.fd, listed, 512, cookie, out);
    assert(errno == 0);
    let used = load<u32>(out);
    let next: usize = 0;
    // The last entry may be cut: it is asked for again.
    while (next + 24 <= used) {
      let len = load<u32>(listed + next, 16);
      if (next + 24 + len > used) break;
      let name = String.UTF8.decodeUnsafe(listed + next + 24, len);
      if (name != "." && name != "..") names.push(load<u8>(listed + next, 20) == IS_FOLDER ? name + "/" : name);
      cookie = load<u64>(listed + next);
      next += 24 + len;
    }
    if (used < 512) break;
  }
  fd_close(opened.fd);
  return names.sort();
}

function walk(path: string): void {
  let names = list(path);
  for (let i = 0; i < names.length; ++i) {
    let below = path == "." ? names[i] : path + "/" + names[i];
    if (below.endsWith("/")) {
      console.log(below);
      walk(below.substring(0, below.length - 1));
    } else {
      console.log(below + " " + get(below).length.toString());
    }
  }
}

function removeAll(path: string): u16 {
  let names = list(path);
  for (let i = 0; i < names.length; ++i) {
    let below = path + "/" + names[i];
    let errno = below.endsWith("/") ? removeAll(below.substring(0, below.length - 1)) : removeFile(below);
    if (errno) return errno;
  }
  return removeFolder(path);
}

function say(what: string, errno: u16): void {
  console.log(what + ": " + (errno ? "error " + errno.toString() : "done"));
}

say("create", make("a"));
say("create below", make("a/b"));
say("create again", make("a"));
for (let i = 0; i < 300; ++i) {
  let errno = put("a/b/" + i.toString(), "x".repeat(i), CREATE, 0);
  if (errno) say("write many", errno);
}
console.log(list("a/b").length.toString());
say("write", put("log", "one\n", CREATE | TRUNCATE, 0));
say("append", put("log", "two\n", 0, APPEND));
say("append again", put("log", "three\n", 0, APPEND));
console.log(get("log"));
say("write over", put("log", "ONE", 0, 0));
console.log(get("log"));
say("create what is there", put("log", "", CREATE | EXCLUSIVE, 0));
say("write to a folder", put("a", "", 0, 0));
console.log(get("none"));
console.log(get("log/none"));
say("rename", rename("log", "a/moved"));
say("rename what is gone", rename("log", "a/moved"));
say("write", put("other", "other", CREATE, 0));
say("rename over", rename("other", "a/moved"));
console.log(get("a/moved"));
say("rename a folder", rename("a/b", "a/c"));
say("rename into itself", rename("a", "a/c/a"));
say("remove a full folder", removeFolder("a"));
say("remove a file as a folder", removeFolder("a/moved"));
say("remove a folder as a file", removeFile("a/c"));
say("remove one", removeFile("a/c/7"));
console.log(list("a/c").length.toString());
say("remove all", removeAll("a/c"));
say("create", make("kept"));
say("write", put("kept/file", "kept", CREATE, 0));
walk(".");
