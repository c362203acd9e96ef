// Works in the folder that it is given, and says what it saw. Natively and in a sandbox it says the same.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

func say(what string, err error) {
	switch {
	case err == nil:
		fmt.Println(what, "done")
	case errors.Is(err, fs.ErrNotExist):
		fmt.Println(what, "missing")
	case errors.Is(err, fs.ErrExist):
		fmt.Println(what, "exists")
	default:
		var path *fs.PathError
		var link *os.LinkError
		if errors.As(err, &path) {
			err = path.Err
		} else if errors.As(err, &link) {
			err = link.Err
		}
		fmt.Println(what, err)
	}
}

func walk() {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() {
			fmt.Println(path + "/")
		} else {
			fmt.Println(path, info.Size(), info.Mode().IsRegular())
		}
		return nil
	})
	say("walk", err)
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(text)
	return err
}

func main() {
	say("chdir", os.Chdir(os.Args[1]))
	say("write", os.WriteFile("x.txt", []byte("hello\n"), 0o644))
	say("write below the root", os.WriteFile(filepath.Join(os.Args[1], "y.txt"), []byte("root\n"), 0o644))
	say("append", appendTo("x.txt", "more\n"))
	text, err := os.ReadFile("x.txt")
	fmt.Printf("%q\n", text)
	say("read", err)
	say("make all", os.MkdirAll("a/b/c/d", 0o755))
	say("make again", os.Mkdir("a", 0o755))
	for i := 0; i < 300; i++ {
		if err := os.WriteFile(fmt.Sprintf("a/b/c/%03d", i), make([]byte, i), 0o644); err != nil {
			say("write many", err)
		}
	}
	entries, err := os.ReadDir("a/b/c")
	fmt.Println(len(entries), entries[0].Name(), entries[300].Name())
	say("list", err)
	say("rename", os.Rename("x.txt", "a/x.txt"))
	say("rename onto", os.Rename("y.txt", "a/x.txt"))
	say("rename what is gone", os.Rename("y.txt", "a/x.txt"))
	_, err = os.Stat("a/none")
	say("stat", err)
	say("remove a full folder", os.Remove("a/b"))
	_, err = os.OpenFile("a/x.txt", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	say("exclusive", err)
	moment := time.Unix(1_234_567_890, 0)
	say("times", os.Chtimes("a/x.txt", moment, moment))
	info, err := os.Stat("a/x.txt")
	say("stat", err)
	fmt.Println(info.ModTime().Unix(), info.Size(), info.IsDir())
	say("truncate", os.Truncate("a/x.txt", 2))
	file, err := os.OpenFile("a/x.txt", os.O_RDWR, 0)
	say("open", err)
	at, err := file.Seek(0, io.SeekEnd)
	fmt.Println(at)
	say("seek", err)
	_, err = file.WriteAt([]byte("Z"), 5)
	say("write at", err)
	bytes, err := io.ReadAll(io.NewSectionReader(file, 0, 100))
	fmt.Printf("%q\n", bytes)
	say("read", err)
	say("close", file.Close())
	temporary, err := os.MkdirTemp(".", "tmp")
	say("make", err)
	say("remove all of a temporary folder", os.RemoveAll(temporary))
	say("remove all", os.RemoveAll("a/b"))
	_, err = os.Stat("a/b")
	say("stat", err)
	walk()
	say("remove all", os.RemoveAll("a"))
	walk()
}
