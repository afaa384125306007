// C++ exceptions cannot unwind in WebAssembly without an extension that not every runtime has. A
// throw prints what was thrown and traps; the host turns the trap into an error with this message.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <typeinfo>

namespace {

// What the Itanium C++ ABI lays out for a class with one base (2.9.5, "RTTI Layout").
struct si_class_type_info {
    void * vtable;
    const char * name;
    const std::type_info * base;
};

bool is_std_exception(const std::type_info * type) {
    while (type) {
        if (*type == typeid(std::exception)) {
            return true;
        }
        if (std::strcmp(typeid(*type).name(), "N10__cxxabiv120__si_class_type_infoE") != 0) {
            return false;
        }
        type = reinterpret_cast<const si_class_type_info *>(type)->base;
    }
    return false;
}

[[noreturn]] void die(const char * what) {
    std::fprintf(stderr, "C++ exception: %s\n", what);
    std::abort();
}

} // namespace

extern "C" {

void * __cxa_allocate_exception(size_t size) { return std::malloc(size); }

void __cxa_free_exception(void * exception) { std::free(exception); }

[[noreturn]] void __cxa_throw(void * exception, std::type_info * type, void (*)(void *)) {
    die(is_std_exception(type) ? static_cast<std::exception *>(exception)->what() : type->name());
}

[[noreturn]] void __cxa_rethrow() { die("rethrown"); }

void * __cxa_begin_catch(void * exception) { return exception; }

void __cxa_end_catch() {}

} // extern "C"
