// Works in the folder that it is given, and says what it saw. Natively and in a sandbox it says the same.
#include <algorithm>
#include <cstdio>
#include <dirent.h>
#include <iostream>
#include <map>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

struct File {
    FILE *handle;
    File(const std::string &path, const char *mode) : handle(fopen(path.c_str(), mode)) {}
    ~File() {
        if (handle) fclose(handle);
    }
};

static std::vector<std::string> names(const std::string &path) {
    std::vector<std::string> found;
    if (DIR *folder = opendir(path.c_str())) {
        while (dirent *entry = readdir(folder)) {
            std::string name = entry->d_name;
            if (name != "." && name != "..") found.push_back(name);
        }
        closedir(folder);
    }
    std::sort(found.begin(), found.end());
    return found;
}

static long sum(const std::string &path) {
    long total = 0;
    for (const auto &name : names(path)) {
        struct stat status;
        auto below = path + "/" + name;
        if (stat(below.c_str(), &status) == 0) total += S_ISDIR(status.st_mode) ? sum(below) : status.st_size;
    }
    return total;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    std::string root = argv[1];
    std::map<std::string, int> counts;
    for (std::string word; std::cin >> word;) counts[word]++;
    for (const auto &[word, count] : counts) {
        auto folder = root + "/" + std::to_string(count);
        mkdir(folder.c_str(), 0755);
        for (int i = 0; i < count; i++) {
            File file(folder + "/" + word, "a");
            fprintf(file.handle, "%s %d\n", word.c_str(), i);
        }
    }
    for (const auto &folder : names(root)) {
        std::cout << folder << ":";
        for (const auto &name : names(root + "/" + folder)) std::cout << " " << name;
        std::cout << "\n";
    }
    std::cout << sum(root) << "\n";
    {
        File file(root + "/1/once", "r+");
        fseek(file.handle, 0, SEEK_END);
        std::cout << ftell(file.handle) << "\n";
        rewind(file.handle);
        fputs("ONCE", file.handle);
    }
    char line[32];
    File file(root + "/1/once", "r");
    std::cout << fgets(line, sizeof line, file.handle);
    std::cout << rename((root + "/1/once").c_str(), (root + "/2/once").c_str()) << rmdir((root + "/1").c_str()) << "\n";
    std::cout << sum(root) << "\n";
}
