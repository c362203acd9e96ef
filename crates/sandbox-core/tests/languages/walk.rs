//! Works in the folder that it is given, and says what it saw. Natively and in a sandbox it says the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

fn say<T>(what: &str, result: io::Result<T>) {
    match result {
        Ok(_) => println!("{what}: done"),
        Err(error) => println!("{what}: {:?}", error.kind()),
    }
}

fn walk(path: &Path, root: &Path) -> io::Result<()> {
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let shown = entry.path().strip_prefix(root).unwrap().display().to_string();
        if entry.file_type()?.is_dir() {
            println!("{shown}/");
            walk(&entry.path(), root)?;
        } else {
            println!("{shown} {}", entry.metadata()?.len());
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let root = std::env::args().nth(1).expect("a folder");
    let root = Path::new(&root);
    let at = |path: &str| root.join(path);
    say("create", fs::create_dir_all(at("a/b/c")));
    say("create again", fs::create_dir(at("a")));
    for i in 0..300 {
        fs::write(at(&format!("a/b/c/{i}")), vec![b'x'; i])?;
    }
    println!("{}", fs::read_dir(at("a/b/c"))?.count());
    fs::write(at("log"), "one\n")?;
    let mut first = OpenOptions::new().append(true).open(at("log"))?;
    let mut second = OpenOptions::new().append(true).open(at("log"))?;
    for i in 0..5 {
        writeln!(first, "first {i}")?;
        writeln!(second, "second {i}")?;
    }
    print!("{}", fs::read_to_string(at("log"))?);
    let mut file = OpenOptions::new().read(true).write(true).open(at("log"))?;
    println!("{}", file.seek(SeekFrom::End(-3))?);
    file.set_len(4)?;
    writeln!(first, "after")?;
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    println!("{text:?}");
    say("rename what is open", fs::rename(at("log"), at("moved")));
    fs::write(at("log"), "other")?;
    say("rename over what is open", fs::rename(at("log"), at("moved")));
    println!("{} {}", fs::read_to_string(at("moved"))?, file.metadata()?.len());
    say("read what is not there", fs::read(at("none")));
    say("read a folder", File::open(at("a")).and_then(|mut folder| folder.read(&mut [0])));
    say("write to a folder", OpenOptions::new().write(true).open(at("a")));
    say("create what is there", File::create_new(at("moved")));
    say("a file as a folder", fs::read(at("moved/x")));
    // The standard library has no kind of error for it under WASI.
    println!("remove a full folder: {}", fs::remove_dir(at("a")).is_err());
    say("remove a file as a folder", fs::remove_dir(at("moved")));
    say("rename a folder", fs::rename(at("a/b"), at("a/d")));
    say("rename into itself", fs::rename(at("a"), at("a/d/a")));
    say("copy", fs::copy(at("moved"), at("a/copy")));
    say("remove all", fs::remove_dir_all(at("a/d")));
    walk(root, root)?;
    say("remove all", fs::remove_dir_all(at("a")));
    walk(root, root)
}
