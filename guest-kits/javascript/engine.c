// Functions of a JavaScript module as functions of a guest: QuickJS, with the module in it.
//
// build.sh compiles it with PLUGIN and PLUGIN_NAME, the module's file and its name, and FUNCTIONS, one
// `FUNCTION(name, takes, returns)` for each function. The module is evaluated when an instance is initialised,
// so a call finds it ready, also in a fresh instance.

#include <stdio.h>

#include "quickjs.h"
#include "sandbox_guest.h"

static const char plugin[] = {
#embed PLUGIN suffix(, )
    0,
};

static JSContext *context;
static JSValue exports;

// Text of what was thrown, with where.
static char *thrown(void) {
    JSValue error = JS_GetException(context);
    const char *message = JS_ToCString(context, error);
    JSValue stack = JS_IsError(error) ? JS_GetPropertyStr(context, error, "stack") : JS_UNDEFINED;
    const char *trace = JS_IsUndefined(stack) ? NULL : JS_ToCString(context, stack);
    size_t room = (message ? strlen(message) : 0) + (trace ? strlen(trace) : 0) + 64;
    char *text = malloc(room);
    if (!text) sandbox_panic("there is no memory for the message of an exception");
    snprintf(text, room, "%s%s%s", message ? message : "an exception", trace && *trace ? "\n" : "", trace ? trace : "");
    for (size_t end = strlen(text); end && text[end - 1] == '\n';) text[--end] = 0;
    JS_FreeCString(context, message);
    JS_FreeCString(context, trace);
    JS_FreeValue(context, stack);
    JS_FreeValue(context, error);
    return text;
}

// `console.log` and its like.
static JSValue say(JSContext *context, JSValueConst this, int count, JSValueConst *arguments, int is_error) {
    (void)this;
    FILE *to = is_error ? stderr : stdout;
    for (int i = 0; i < count; i++) {
        const char *text = JS_ToCString(context, arguments[i]);
        if (!text) return JS_EXCEPTION;
        fprintf(to, "%s%s", i ? " " : "", text);
        JS_FreeCString(context, text);
    }
    fputc('\n', to);
    fflush(to);
    return JS_UNDEFINED;
}

static JSValue end_instance(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    const char *message = count ? JS_ToCString(context, arguments[0]) : NULL;
    sandbox_panic(message ? message : "the function panicked");
}

static void define(JSContext *context, const char *object, JSValue value) {
    JSValue global = JS_GetGlobalObject(context);
    JS_SetPropertyStr(context, global, object, value);
    JS_FreeValue(context, global);
}

// Runs what waits for promises, until this one is settled, and returns what it is settled with.
static JSValue settled(JSValue value) {
    JSContext *of_job;
    while (JS_PromiseState(context, value) == JS_PROMISE_PENDING && JS_ExecutePendingJob(JS_GetRuntime(context), &of_job) > 0) {
    }
    int state = JS_PromiseState(context, value);
    if (state < 0) return value;
    JSValue result = state == JS_PROMISE_PENDING ? JS_UNDEFINED : JS_PromiseResult(context, value);
    JS_FreeValue(context, value);
    if (state == JS_PROMISE_PENDING) return JS_ThrowTypeError(context, "the function waits for a promise that nothing settles");
    return state == JS_PROMISE_REJECTED ? JS_Throw(context, result) : result;
}

__attribute__((constructor)) static void initialise(void) {
    JSRuntime *runtime = JS_NewRuntime();
    context = runtime ? JS_NewContext(runtime) : NULL;
    if (!context) sandbox_panic("there is no memory for the engine");
    // Below what the linker is told. The policy's limit of the Wasm stack usually comes first.
    JS_SetMaxStackSize(runtime, STACK_BYTES / 2);
    JSValue console = JS_NewObject(context), sandbox = JS_NewObject(context);
    const char *names[] = {"log", "info", "debug", "warn", "error"};
    for (int i = 0; i < 5; i++) {
        JSValue function = JS_NewCFunctionMagic(context, say, names[i], 1, JS_CFUNC_generic_magic, i >= 3);
        JS_SetPropertyStr(context, console, names[i], function);
    }
    JS_SetPropertyStr(context, sandbox, "panic", JS_NewCFunction(context, end_instance, "panic", 1));
    define(context, "console", console);
    define(context, "sandbox", sandbox);
    JSValue module = JS_Eval(context, plugin, sizeof plugin - 1, PLUGIN_NAME, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(module)) sandbox_panic(thrown());
    JSModuleDef *definition = JS_VALUE_GET_PTR(module);
    JSValue evaluated = settled(JS_EvalFunction(context, module));
    if (JS_IsException(evaluated)) sandbox_panic(thrown());
    JS_FreeValue(context, evaluated);
    exports = JS_GetModuleNamespace(context, definition);
}

typedef enum { kind_unit, kind_bytes, kind_text, kind_value } kind;

static sandbox_status call(const char *name, sandbox_input input, kind takes, kind returns) {
    // It may stand elsewhere than when the engine was made.
    JS_UpdateStackTop(JS_GetRuntime(context));
    sandbox_status status = SANDBOX_FAILED;
    JSValue argument = JS_UNDEFINED, result = JS_UNDEFINED, function = JS_GetPropertyStr(context, exports, name);
    if (takes == kind_bytes) argument = JS_NewArrayBufferCopy(context, (const uint8_t *)input.data, input.len);
    if (takes == kind_text) argument = JS_NewStringLen(context, input.data, input.len);
    if (takes == kind_value) argument = JS_ParseJSON(context, input.data, input.len, "<input>");
    if (JS_IsException(argument)) {
        status = SANDBOX_UNDECODABLE;
        goto thrown;
    }
    result = settled(JS_Call(context, function, JS_UNDEFINED, takes != kind_unit, &argument));
    if (JS_IsException(result)) goto thrown;
    status = SANDBOX_UNENCODABLE;
    if (returns == kind_bytes) {
        size_t len;
        uint8_t *bytes = JS_GetArrayBuffer(context, &len, result);
        if (!bytes) goto thrown;
        sandbox_write(bytes, len);
    } else if (returns != kind_unit) {
        if (returns == kind_value) {
            JSValue json = JS_JSONStringify(context, result, JS_UNDEFINED, JS_UNDEFINED);
            JS_FreeValue(context, result);
            // JSON has no undefined.
            result = JS_IsUndefined(json) ? JS_NULL : json;
        }
        size_t len;
        const char *text = JS_IsException(result) ? NULL : JS_ToCStringLen(context, &len, result);
        if (!text) goto thrown;
        sandbox_write(text, len);
        JS_FreeCString(context, text);
    }
    status = SANDBOX_RETURNED;
    goto done;
thrown:;
    char *message = thrown();
    sandbox_fail(message);
    free(message);
done:
    JS_FreeValue(context, result);
    JS_FreeValue(context, argument);
    JS_FreeValue(context, function);
    return status;
}

#define FUNCTION(name, takes, returns) \
    SANDBOX_FUNCTION(name, takes, returns) { return call(#name, input, kind_##takes, kind_##returns); }
FUNCTIONS
