// json.h: just enough JSON for the example. A library, such as cJSON or yyjson, serves as well.

#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox_guest.h"

// A place in a text of JSON. `depth` is how many lists and objects are open around it.
typedef struct {
    const char *at, *end;
    int depth;
} json;

static inline void json_space(json *in) {
    while (in->at < in->end && *in->at && strchr(" \t\r\n", *in->at)) in->at++;
}

// Passes over a character, if it is the next one.
static inline bool json_take(json *in, char wanted) {
    json_space(in);
    if (in->at == in->end || *in->at != wanted) return false;
    in->at++;
    return true;
}

static inline bool json_number(json *in, double *number) {
    json_space(in);
    if (in->at == in->end || (*in->at != '-' && (*in->at < '0' || *in->at > '9'))) return false;
    char *end;
    *number = strtod(in->at, &end);
    in->at = end;
    return true;
}

// Appends a character to text in UTF-8.
static inline char *json_utf8(char *to, unsigned code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xC0 | code >> 6), *to++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (char)(0xE0 | code >> 12), *to++ = (char)(0x80 | (code >> 6 & 0x3F)), *to++ = (char)(0x80 | (code & 0x3F));
    } else {
        *to++ = (char)(0xF0 | code >> 18), *to++ = (char)(0x80 | (code >> 12 & 0x3F));
        *to++ = (char)(0x80 | (code >> 6 & 0x3F)), *to++ = (char)(0x80 | (code & 0x3F));
    }
    return to;
}

static inline bool json_hex(json *in, unsigned *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, in->at++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = in->at < in->end && *in->at ? strchr(digits, *in->at) : NULL;
        if (!digit) return false;
        *code = *code * 16 + (unsigned)((digit - digits) % 16);
    }
    return true;
}

// Reads text. It is the caller's to free.
static inline char *json_text(json *in) {
    if (!json_take(in, '"')) return NULL;
    const char *close = in->at;
    while (close < in->end && *close != '"') close += *close == '\\' && close + 1 < in->end ? 2 : 1;
    char *text = (char *)malloc((size_t)(close - in->at) + 1), *to = text;
    if (!text) sandbox_panic("there is no memory for text");
    while (in->at < in->end && *in->at != '"') {
        char byte = *in->at++;
        if (byte != '\\') {
            *to++ = byte;
            continue;
        }
        const char *escapes = "\"\\/bfnrt", *meant = "\"\\/\b\f\n\r\t", *found;
        if (in->at == in->end) break;
        byte = *in->at++;
        if (byte == 'u') {
            unsigned code, low;
            if (!json_hex(in, &code)) break;
            if (code >= 0xD800 && code < 0xDC00) {
                if (in->end - in->at < 6 || in->at[0] != '\\' || in->at[1] != 'u') break;
                in->at += 2;
                if (!json_hex(in, &low) || low < 0xDC00 || low > 0xDFFF) break;
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            }
            to = json_utf8(to, code);
        } else if (byte && (found = strchr(escapes, byte))) {
            *to++ = meant[found - escapes];
        } else {
            break;
        }
    }
    *to = 0;
    if (json_take(in, '"')) return text;
    free(text);
    return NULL;
}

// Passes over any value.
static inline bool json_skip(json *in) {
    char *text, open = 0;
    double number;
    if (json_take(in, '{')) open = '{';
    else if (json_take(in, '[')) open = '[';
    if (open) {
        if (++in->depth > 64) return false;
        char close = open == '{' ? '}' : ']';
        if (!json_take(in, close)) {
            do {
                if (open == '{') {
                    if (!(text = json_text(in))) return false;
                    free(text);
                    if (!json_take(in, ':')) return false;
                }
                if (!json_skip(in)) return false;
            } while (json_take(in, ','));
            if (!json_take(in, close)) return false;
        }
        in->depth--;
        return true;
    }
    if ((text = json_text(in))) return free(text), true;
    if (json_number(in, &number)) return true;
    const char *words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(in->end - in->at) >= len && !memcmp(in->at, words[i], len)) return in->at += len, true;
    }
    return false;
}

// Writes text to the output, in quotes.
static inline void json_put_text(const char *text) {
    sandbox_put('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') sandbox_put('\\');
        if ((unsigned char)*text < 0x20) {
            char escaped[8];
            snprintf(escaped, sizeof escaped, "\\u%04x", *text);
            sandbox_text(escaped);
        } else {
            sandbox_put(*text);
        }
    }
    sandbox_put('"');
}

static inline void json_put_number(double number) {
    char digits[40];
    snprintf(digits, sizeof digits, "%.15g", number);
    sandbox_text(digits);
}

#endif
