/* Works in the folder that it is given, and says what it saw. Natively and in a sandbox it says the same. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name_of(int error) {
    switch (error) {
    case EBADF: return "EBADF";
    case EEXIST: return "EEXIST";
    case EINVAL: return "EINVAL";
    case EISDIR: return "EISDIR";
    case ENOENT: return "ENOENT";
    case ENOTDIR: return "ENOTDIR";
    case ENOTEMPTY: return "ENOTEMPTY";
    case ESPIPE: return "ESPIPE";
    default: return strerror(error);
    }
}

static void say(const char *what, long result) {
    if (result < 0)
        printf("%s: %s\n", what, name_of(errno));
    else
        printf("%s: %ld\n", what, result);
}

static void put(const char *path, const char *text, int flags) {
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);
    if (fd < 0) {
        say(path, fd);
        return;
    }
    say(path, write(fd, text, strlen(text)));
    close(fd);
}

static void show(const char *path) {
    char bytes[256];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        say(path, fd);
        return;
    }
    ssize_t len = read(fd, bytes, sizeof bytes);
    struct stat status;
    fstat(fd, &status);
    printf("%s: %.*s (%lld)\n", path, (int)len, bytes, (long long)status.st_size);
    close(fd);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void walk(const char *path) {
    char *names[64];
    int count = 0;
    DIR *folder = opendir(path);
    if (!folder) {
        say(path, -1);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) && count < 64;)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            names[count++] = strdup(entry->d_name);
    closedir(folder);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) {
        char below[512];
        struct stat status;
        snprintf(below, sizeof below, "%s/%s", path, names[i]);
        if (lstat(below, &status))
            say(below, -1);
        else if (S_ISDIR(status.st_mode))
            printf("%s/\n", below), walk(below);
        else
            printf("%s %lld\n", below, (long long)status.st_size);
        free(names[i]);
    }
}

/* Removes the folder and all in it, also what another program would still be listing. */
static int remove_all(const char *path) {
    DIR *folder = opendir(path);
    if (!folder)
        return unlink(path);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char below[512];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (remove_all(below))
            return -1;
    }
    closedir(folder);
    return rmdir(path);
}

int main(int argc, char **argv) {
    if (argc < 2 || chdir(argv[1])) {
        fprintf(stderr, "give a folder\n");
        return 2;
    }
    say("mkdir a", mkdir("a", 0755));
    say("mkdir a again", mkdir("a", 0755));
    say("mkdir a/b", mkdir("a/b", 0755));
    say("mkdir x/y", mkdir("x/y", 0755));
    put("a/one", "1\n", O_TRUNC);
    put("a/two", "22\n", O_TRUNC);
    put("a/one", "more\n", O_APPEND);
    put("a/one", "no", O_EXCL);
    put("a", "no", 0);
    put("a/one/x", "no", 0);
    show("a/one");
    show("a/none");
    say("rename", rename("a/two", "a/b/three"));
    say("rename onto a file", rename("a/b/three", "a/one"));
    show("a/one");
    say("rename a folder onto a full one", (mkdir("c", 0755), rename("c", "a")));
    say("rename into itself", rename("a", "a/b/a"));
    say("unlink a folder", unlink("c") == 0 ? 0 : (errno = errno == EPERM ? EISDIR : errno, -1));
    say("rmdir a file", rmdir("a/one"));
    say("rmdir a full folder", rmdir("a"));
    say("rmdir c", rmdir("c"));

    int fd = open("log", O_RDWR | O_CREAT | O_TRUNC, 0644);
    say("write", write(fd, "0123456789", 10));
    say("seek", lseek(fd, -4, SEEK_END));
    say("write", write(fd, "ab", 2));
    say("truncate", ftruncate(fd, 7));
    say("truncate more", ftruncate(fd, 9));
    say("seek before", lseek(fd, -1, SEEK_SET));
    char bytes[16];
    long len = pread(fd, bytes, sizeof bytes, 0);
    for (long i = 0; i < len; i++)
        printf("%02x%s", bytes[i], i + 1 == len ? "\n" : " ");
    struct timespec times[2] = {{1000000000, 0}, {1234567890, 0}};
    say("times", futimens(fd, times));
    struct stat status;
    say("stat", stat("log", &status));
    printf("%lld %lld\n", (long long)status.st_mtime, (long long)status.st_size);
    say("rename what is open", rename("log", "moved"));
    say("write", pwrite(fd, "new", 3, 0));
    show("moved");
    say("unlink what is open", unlink("moved"));
    say("write", pwrite(fd, "gone", 4, 0));
    say("close", close(fd));
    say("close again", close(fd));

    for (int i = 0; i < 300; i++) {
        char path[32];
        snprintf(path, sizeof path, "a/b/%d", i);
        close(open(path, O_WRONLY | O_CREAT, 0644));
    }
    say("remove all of 300", remove_all("a/b"));
    walk(".");
    say("remove all", remove_all("a"));
    walk(".");
    return 0;
}
